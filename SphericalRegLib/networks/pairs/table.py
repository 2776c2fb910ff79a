"""Networks of two images by name."""

from __future__ import annotations

from collections.abc import Callable

from SphericalRegLib.errors import InputError
from SphericalRegLib.networks.pairs.composite import Composite
from SphericalRegLib.networks.pairs.contract import PairNetwork
from SphericalRegLib.networks.pairs.crossvit import CrossVit
from SphericalRegLib.networks.pairs.dual_branch import DualBranch
from SphericalRegLib.networks.pairs.prost import Prost

#: By the names that plans and models spell.
PAIR_NETWORKS: dict[str, Callable[..., PairNetwork]] = {
    network.kind: network for network in (Prost, CrossVit, Composite, DualBranch)
}


def pair_network(kind: str, **settings: int) -> PairNetwork:
    """A network by its name and its constructor's settings.

    Raises:
        InputError: for an unknown name or settings that it does not have, or as its constructor.
    """
    if kind not in PAIR_NETWORKS:
        raise InputError(f"There is no network {kind!r} of two images: choose from {', '.join(PAIR_NETWORKS)}.")
    try:
        return PAIR_NETWORKS[kind](**settings)
    except TypeError as error:
        raise InputError(f"The network {kind!r} cannot be built with {settings}: {error}.") from error
