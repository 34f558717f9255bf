"""What a nation's sensors see: truth, radars, scenarios, recorded real sensors."""
