"""The mathematics of one ray, written once and compiled for every processor that has a kernel of its own."""
