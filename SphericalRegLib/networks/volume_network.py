"""The volume network Ψ: the CT becomes V + Ψ(V) before it is rendered (Chen and Kong, WACV 2026).

It starts as the identity, runs once per CT, and adds nothing where there is nothing: air around the body stays air.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.networks.steerable import (
    Fields,
    Gate,
    SteerableConvolution,
    channels,
    half_extent,
    zero_preserving_silu,
)

# 1/mm, about that of water: densities are near 1 within the network.
_UNIT = 0.02


class VolumeNetwork(nn.Module):
    """V to V + Ψ(V), channel by channel, on voxels of about half of ``radius``.

    A finer CT is averaged to such voxels, and Ψ(V) is interpolated back: time and memory then depend on the body's size
    only. A coarser one is taken as it is.

    Args:
        radius: mm; see :class:`EquivariantNetwork`. Twice the radius takes an eighth of the time.

    Attributes:
        kind: its name in :data:`VOLUME_NETWORKS`.
        settings: what else :func:`volume_network` needs to build the same network again.
        block: voxels times channels that are worked on at once where no gradient is wanted; a few such are live.
    """

    kind: str
    block = 2**25

    def __init__(self, radius: float, **settings: Any) -> None:
        super().__init__()
        if not 0 < radius < math.inf:
            raise InputError(f"A volume network's radius is in mm, above 0 and finite, not {radius}.")
        self.radius = radius
        self.settings: dict[str, Any] = {"radius": radius, **settings}

    def forward(self, volume: Volume) -> Volume:
        """V + Ψ(V) on the same grid.

        Kept with the volume until its density or the weights change; never kept where gradients are to reach either.

        Raises:
            GeometryError: for voxels too coarse for the radius.
        """
        weights = list(self.parameters())
        if torch.is_grad_enabled() and (volume.density.requires_grad or any(w.requires_grad for w in weights)):
            return self._added(volume)
        state = tuple((w.data_ptr(), w._version) for w in weights)
        with torch.no_grad():
            return volume.kept(self, lambda: self._added(volume), state)

    @abstractmethod
    def correction(self, density: Tensor, linear: Tensor) -> Tensor:
        """Ψ of scaled densities (C, 1, K, J, I) on voxels of ``linear`` (3, 3) world mm per (i, j, k)."""

    @abstractmethod
    def reach(self, linear: Tensor) -> int:
        """How many voxels along k an output can depend on to each side."""

    @property
    @abstractmethod
    def width(self) -> int:
        """Channels of the widest layer."""

    def _added(self, volume: Volume) -> Volume:
        factors = tuple(max(1, math.floor(self.radius / 2 / float(spacing) + 0.5)) for spacing in volume.spacing)
        coarse = volume.coarsened((factors[0], factors[1], factors[2]))
        linear = coarse.world_from_voxel[:3, :3]
        scaled = coarse.density[:, None] / _UNIT
        if torch.is_grad_enabled():
            added = self.correction(scaled, linear)
        else:
            added = torch.cat([self._in_blocks(channel[None], linear) for channel in scaled])
        if factors != (1, 1, 1):
            # half-voxel centers on both grids, as averaging made them; the last cell may hang over
            size = [n * f for n, f in zip(coarse.density.shape[1:], reversed(factors), strict=True)]
            nk, nj, ni = volume.density.shape[1:]
            added = F.interpolate(added, size, mode="trilinear", align_corners=False)[..., :nk, :nj, :ni]
        return replace(volume, density=volume.density + _UNIT * added[:, 0])

    def _in_blocks(self, density: Tensor, linear: Tensor) -> Tensor:
        """The same as ``correction``, slab by slab, each with all that its voxels can see."""
        depth, area = density.shape[2], density[0, 0, 0].numel()
        thickness = max(1, self.block // (area * self.width))
        if thickness >= depth:
            return self.correction(density, linear)
        margin = self.reach(linear)
        slabs = []
        for top in range(0, depth, thickness):
            first = max(0, top - margin)
            seen = density[:, :, first : min(depth, top + thickness + margin)]
            slabs.append(self.correction(seen, linear)[:, :, top - first : top - first + thickness])
        return torch.cat(slabs, dim=2)


class EquivariantNetwork(VolumeNetwork):
    """Turning the CT turns Ψ(V) with it: steerable convolutions between fields of degree 0, 1 and 2.

    Kernels are balls in millimeters in the world, so that anisotropic and oblique voxels change nothing but sampling.
    Errors of five networks with random weights, relative to Ψ(V): turned by 90° about an axis, 1e-15 (float64) or
    4e-7 (float32) on any grid; Gaussians of σ 4 to 8 mm turned by 40° about an oblique axis, 0.1 to 1.6 % on voxels of
    3 mm and 1.6 to 8 % on voxels of 2.5 × 3 × 4.5 mm. The plain network: 110 to 150 %, and 50 to 110 %.

    Args:
        radius: of each kernel, mm.
        fields: scalars, vectors and second-order tensors of each hidden layer.
        layers: convolutions, the first and the last included.

    Raises:
        InputError: where e3nn is not installed, for fewer than two layers, or without hidden scalars.
    """

    kind = "equivariant"

    def __init__(self, radius: float = 6.0, fields: Fields = (4, 2, 1), layers: int = 3) -> None:
        super().__init__(radius, fields=list(fields), layers=layers)
        if layers < 2 or len(fields) != 3 or min(fields) < 0 or fields[0] < 1:
            raise InputError(
                "An equivariant volume network needs at least two layers, and three numbers of hidden fields (scalars, "
                f"at least one; vectors; tensors), not {layers} layers of {fields}."
            )
        scalar, hidden = (1, 0, 0), (fields[0], fields[1], fields[2])
        gates = [Gate(hidden) for _ in range(layers - 1)]
        before: list[Fields] = [scalar] + [hidden] * (layers - 1)
        after: list[Fields] = [gate.fields_in for gate in gates] + [scalar]
        self.gates = nn.ModuleList(gates)
        self.convolutions = nn.ModuleList(
            SteerableConvolution(start, end, radius, zero=n == layers - 1)
            for n, (start, end) in enumerate(zip(before, after, strict=True))
        )
        self._width = max(channels(end) for end in after)

    def correction(self, density: Tensor, linear: Tensor) -> Tensor:
        """See :class:`VolumeNetwork`."""
        maps = density
        for convolution, gate in zip(self.convolutions[:-1], self.gates, strict=True):
            maps = gate(convolution(maps, linear))
        added: Tensor = self.convolutions[-1](maps, linear)
        return added

    def reach(self, linear: Tensor) -> int:
        """See :class:`VolumeNetwork`."""
        return len(self.convolutions) * half_extent(linear, self.radius)[0]

    @property
    def width(self) -> int:
        """See :class:`VolumeNetwork`."""
        return self._width


class PlainNetwork(VolumeNetwork):
    """The ablation: ordinary 3 × 3 × 3 convolutions, 1-4-8-16-8-3-1 channels, counted in voxels.

    Args:
        radius: twice the working voxel, mm.
        hidden: channels of the hidden layers.

    Raises:
        InputError: without a hidden layer.
    """

    kind = "plain"

    def __init__(self, radius: float = 6.0, hidden: tuple[int, ...] = (4, 8, 16, 8, 3)) -> None:
        super().__init__(radius, hidden=list(hidden))
        if not hidden or min(hidden) < 1:
            raise InputError(f"A plain volume network needs hidden layers of at least one channel, not {hidden}.")
        sizes = [1, *hidden, 1]
        self.kernels = nn.ParameterList((27 * a) ** -0.5 * torch.randn(b, a, 3, 3, 3) for a, b in pairwise(sizes[:-1]))
        self.thresholds = nn.ParameterList(2 * torch.rand(n) - 1 for n in hidden)
        self.last = nn.Parameter(torch.zeros(1, sizes[-2], 3, 3, 3))

    def correction(self, density: Tensor, linear: Tensor) -> Tensor:
        """See :class:`VolumeNetwork`; blind to the voxels' size."""
        maps = density
        for kernel, thresholds in zip(self.kernels, self.thresholds, strict=True):
            maps = zero_preserving_silu(F.conv3d(maps, kernel.to(maps), padding=1), thresholds)
        return F.conv3d(maps, self.last.to(maps), padding=1)

    def reach(self, linear: Tensor) -> int:
        """See :class:`VolumeNetwork`."""
        return len(self.kernels) + 1

    @property
    def width(self) -> int:
        """See :class:`VolumeNetwork`."""
        return max(self.settings["hidden"])


class NoNetwork(nn.Module):
    """The CT as it is."""

    def __init__(self) -> None:
        super().__init__()
        self.settings: dict[str, Any] = {}

    def forward(self, volume: Volume) -> Volume:
        """The volume itself."""
        return volume


#: Volume networks by name.
VOLUME_NETWORKS: dict[str, Callable[..., nn.Module]] = {
    "equivariant": EquivariantNetwork,
    "plain": PlainNetwork,
    "none": NoNetwork,
}


def volume_network(name: str, **settings: Any) -> nn.Module:
    """A volume network, Volume to Volume, by name and its constructor's settings.

    Raises:
        InputError: for an unknown name or settings that it does not have, or as its constructor.
    """
    if name not in VOLUME_NETWORKS:
        raise InputError(f"There is no volume network {name!r}: choose from {', '.join(VOLUME_NETWORKS)}.")
    try:
        return VOLUME_NETWORKS[name](**settings)
    except TypeError as error:
        raise InputError(f"The volume network {name!r} cannot be built with {settings}: {error}.") from error
