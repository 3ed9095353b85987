"""The driver's own programs."""
