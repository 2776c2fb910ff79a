"""Sequences of X-rays, read one frame at a time."""
