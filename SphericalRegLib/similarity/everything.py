"""What the package offers, in one file that loads all of it, torch included."""

from SphericalRegLib.similarity.contract import FixedImage, Similarity, Term
from SphericalRegLib.similarity.learned import LearnedSimilarity
from SphericalRegLib.similarity.least_squares import LeastSquares, Residual
from SphericalRegLib.similarity.manifolds import MANIFOLDS, Euclidean, Hyperbolic, Manifold, Spherical
from SphericalRegLib.similarity.mixed import Mixed
from SphericalRegLib.similarity.mutual_information import MutualInformation
from SphericalRegLib.similarity.ncc import NCC, GradientNCC, LocalNCC
from SphericalRegLib.similarity.patch_ncc import PatchNCC
from SphericalRegLib.similarity.table import LEARNED, SIMILARITIES
from SphericalRegLib.similarity.tone_free import ToneFreeGradient

__all__ = [
    "LEARNED",
    "MANIFOLDS",
    "NCC",
    "SIMILARITIES",
    "Euclidean",
    "FixedImage",
    "GradientNCC",
    "Hyperbolic",
    "LearnedSimilarity",
    "LeastSquares",
    "LocalNCC",
    "Manifold",
    "Mixed",
    "MutualInformation",
    "PatchNCC",
    "Residual",
    "Similarity",
    "Spherical",
    "Term",
    "ToneFreeGradient",
]
