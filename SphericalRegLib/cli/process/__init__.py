"""The process around a command: signals, faults, and what is said at its end."""
