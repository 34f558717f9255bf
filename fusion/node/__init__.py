"""The daemon around the core: receives, records, publishes."""
