"""Networks: feature encoders of X-rays and DRRs."""

from SphericalRegLib.networks.encoder import Encoder

__all__ = ["Encoder"]
