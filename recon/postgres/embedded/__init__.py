"""TODO: a room."""
