"""Landmarks from tables and 3D Slicer's markups, in space and on an image."""
