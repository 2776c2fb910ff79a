"""Bodies over frames: their poses in a sequence of X-rays, with a verdict on each."""
