"""Which pixels of an X-ray count: collimator, shutter, saturation and metal, judged from the image alone."""

from SphericalRegLib.imaging.mask.mask import estimate_mask, is_limit

__all__ = ["estimate_mask", "is_limit"]
