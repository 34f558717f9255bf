"""Many seeds and arms of a scenario, and what they add up to."""
