"""Networks that look at a DRR and an X-ray together and say how unlike they are: the learned similarities of others."""

from SphericalRegLib.networks.pairs.contract import PairNetwork
from SphericalRegLib.networks.pairs.table import PAIR_NETWORKS, pair_network

__all__ = ["PAIR_NETWORKS", "PairNetwork", "pair_network"]
