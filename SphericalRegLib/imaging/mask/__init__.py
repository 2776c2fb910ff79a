"""Which pixels of an X-ray count: collimator, shutter, saturation and metal, judged from the image alone."""

from SphericalRegLib.imaging.mask.judged import judged_mask
from SphericalRegLib.imaging.mask.mask import estimate_mask

__all__ = ["estimate_mask", "judged_mask"]
