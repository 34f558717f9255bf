"""Recorded real sensors and flights, as the stream that a simulated one gives."""
