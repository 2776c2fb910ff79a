"""Whether a pose is right, and how exactly it is known."""
