"""What each nation, and all of them together, then know. Everything is SIMULATED and NOTIONAL."""
