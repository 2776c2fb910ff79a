"""Similarities between DRR and X-ray, as weighted residuals with exact pose Jacobians."""

from SphericalRegLib.similarity.learned import LearnedSimilarity
from SphericalRegLib.similarity.manifolds import MANIFOLDS, Euclidean, Hyperbolic, Manifold, Spherical
from SphericalRegLib.similarity.ncc import NCC, GradientNCC, LocalNCC
from SphericalRegLib.similarity.residual import FixedImage, Residual, Similarity
from SphericalRegLib.similarity.tone_free import ToneFreeGradient

__all__ = [
    "MANIFOLDS",
    "NCC",
    "Euclidean",
    "FixedImage",
    "GradientNCC",
    "Hyperbolic",
    "LearnedSimilarity",
    "LocalNCC",
    "Manifold",
    "Residual",
    "Similarity",
    "Spherical",
    "ToneFreeGradient",
]
