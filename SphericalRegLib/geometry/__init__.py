"""Rigid motions, the C-arm's projection geometry, and the frames they live in."""
