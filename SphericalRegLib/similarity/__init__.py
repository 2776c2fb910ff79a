"""Similarities between DRR and X-ray, as weighted residuals with exact pose Jacobians."""

from SphericalRegLib.similarity.ncc import NCC, GradientNCC, LocalNCC
from SphericalRegLib.similarity.residual import FixedImage, Residual, Similarity
from SphericalRegLib.similarity.tone_free import ToneFreeGradient

__all__ = ["NCC", "FixedImage", "GradientNCC", "LocalNCC", "Residual", "Similarity", "ToneFreeGradient"]
