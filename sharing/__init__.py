"""What may pass between nations, and in what form."""
