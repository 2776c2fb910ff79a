"""Steerable 3D convolutions: SE(3)-equivariant maps between scalar, vector and second-order tensor fields.

A kernel that maps fields of degree l to fields of degree l' is a sum over filters of degree f of learned weights times
Σ_m C(l', l, f) g(|x|) Y_fm(x/|x|), with the Clebsch-Gordan coefficients C and the spherical harmonics Y of e3nn
(Weiler et al., 3D Steerable CNNs, NeurIPS 2018; Geiger and Smidt, e3nn, arXiv:2207.09453). x is in millimeters in the
world, whatever the voxels' size, shape and handedness.
"""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import product
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from SphericalRegLib.errors import GeometryError, InputError

#: Numbers of fields of degree 0, 1 and 2; a field of degree l has 2l + 1 channels.
Fields = tuple[int, int, int]

# A third degree would be undersampled by kernels of three voxels along an axis.
_HIGHEST = 2
# g(s) = s^f (1 - s²)^p for s = |x| / radius < 1: smooth at the rim; a broad one and a narrow one.
_POWERS = (2, 4)


def channels(fields: Fields) -> int:
    """How many channels these fields have together."""
    return sum(count * (2 * degree + 1) for degree, count in enumerate(fields))


def half_extent(linear: Tensor, radius: float) -> tuple[int, int, int]:
    """Voxels (k, j, i) to each side of a kernel's center that lie within its radius.

    Args:
        linear: (3, 3) world mm per voxel along (i, j, k).
        radius: mm.

    Raises:
        GeometryError: where a voxel's neighbors along an axis lie outside of the radius.
    """
    # how far the ball reaches in voxel coordinates; voxels exactly on the rim count for nothing
    reach = radius * torch.linalg.inv(linear.double()).norm(dim=1)
    i, j, k = (math.ceil(float(r) - 1e-6) - 1 for r in reach)
    if min(i, j, k) < 1:
        size = ", ".join(f"{radius / float(r):.3g}" for r in reach)
        raise GeometryError(
            f"Voxels of {size} mm are too coarse for the volume network's radius of {radius:g} mm: resample the CT, or "
            "choose a larger radius or the volume network 'none'."
        )
    return k, j, i


class SteerableConvolution(nn.Module):
    """Fields to fields on one grid, without bias, zero beyond the grid.

    Channels are ordered by degree, then by field, then by the field's 2l + 1 components.

    Args:
        fields_in, fields_out: on each side.
        radius: of the kernel, mm.
        zero: whether weights start at zero.

    Raises:
        InputError: where e3nn is not installed.
    """

    def __init__(self, fields_in: Fields, fields_out: Fields, radius: float, zero: bool = False) -> None:
        super().__init__()
        _e3nn()
        self.fields_in, self.fields_out, self.radius = fields_in, fields_out, radius
        self.weights = nn.ParameterDict()
        for end, start in product(range(_HIGHEST + 1), repeat=2):
            count = (fields_out[end], fields_in[start])
            if 0 in count:
                continue
            spread = 0.0 if zero else (count[1] * sum(n > 0 for n in fields_in)) ** -0.5
            for degree in _filters(end, start):
                self.weights[f"{end}{start}{degree}"] = nn.Parameter(spread * torch.randn(*count, len(_POWERS)))
            if end == start:
                self.weights[f"{end}"] = nn.Parameter(spread * torch.randn(count))

    def forward(self, maps: Tensor, linear: Tensor) -> Tensor:
        """(B, channels in, K, J, I) to (B, channels out, K, J, I); ``linear`` as in :func:`half_extent`."""
        kernel = self.kernel(linear)
        return F.conv3d(maps, kernel.to(maps), padding=[n // 2 for n in kernel.shape[2:]])

    def kernel(self, linear: Tensor) -> Tensor:
        """(channels out, channels in, k, j, i), odd along each axis."""
        like = next(iter(self.weights.values()))
        extent = half_extent(linear, self.radius)
        taps = [2 * n + 1 for n in extent]
        entries = tuple(float(value) for value in linear.flatten())
        rows = []
        for end, count_out in enumerate(self.fields_out):
            blocks = []
            for start, count_in in enumerate(self.fields_in):
                block = like.new_zeros(count_out, 2 * end + 1, count_in, 2 * start + 1, *taps)
                if block.numel() > 0:
                    for degree in _filters(end, start):
                        basis = _basis(end, start, degree, entries, self.radius).to(like)
                        block = block + torch.einsum(
                            "uvr,romkji->uovmkji", self.weights[f"{end}{start}{degree}"], basis
                        )
                    if end == start:
                        unit = torch.eye(2 * end + 1).to(like)
                        center = torch.einsum("uv,om->uovm", self.weights[f"{end}"], unit)[..., None, None, None]
                        block = block + F.pad(center, [n for n in reversed(extent) for _ in range(2)])
                blocks.append(block.flatten(2, 3).flatten(0, 1))
            rows.append(torch.cat(blocks, dim=1))
        return torch.cat(rows)


class Gate(nn.Module):
    """Scalars through silu, every other field times a sigmoid of a scalar of its own (Weiler et al. 2018).

    Thresholds are learned, and yet zero maps to zero: where there is no density, nothing appears.

    Args:
        fields: that come out; see :attr:`fields_in` for those that go in.
    """

    def __init__(self, fields: Fields) -> None:
        super().__init__()
        self.fields = fields
        self.thresholds = nn.Parameter(2 * torch.rand(fields[0]) - 1)
        self.openness = nn.Parameter(torch.zeros(fields[1] + fields[2]))

    @property
    def fields_in(self) -> Fields:
        """The same, and one more scalar for each field of a higher degree."""
        return self.fields[0] + self.fields[1] + self.fields[2], self.fields[1], self.fields[2]

    def forward(self, maps: Tensor) -> Tensor:
        """(B, channels of :attr:`fields_in`, K, J, I) to (B, channels of fields, K, J, I)."""
        counts = [self.fields[0], self.fields[1], self.fields[2], 3 * self.fields[1], 5 * self.fields[2]]
        scalars, first, second, vectors, tensors = maps.split(counts, dim=1)
        open_first, open_second = self.openness.split(counts[1:3])
        return torch.cat(
            [
                zero_preserving_silu(scalars, self.thresholds),
                _gated(vectors, first, open_first),
                _gated(tensors, second, open_second),
            ],
            dim=1,
        )


def zero_preserving_silu(maps: Tensor, thresholds: Tensor) -> Tensor:
    """silu(x + b) − silu(b) for maps (B, C, K, J, I) and thresholds b (C,)."""
    shift = thresholds.to(maps)[:, None, None, None]
    return F.silu(maps + shift) - F.silu(shift)


def _gated(maps: Tensor, gates: Tensor, openness: Tensor) -> Tensor:
    if gates.shape[1] == 0:
        return maps
    factor = torch.sigmoid(gates + openness.to(maps)[:, None, None, None])
    return (maps.unflatten(1, (gates.shape[1], -1)) * factor[:, :, None]).flatten(1, 2)


def _filters(end: int, start: int) -> range:
    """Degrees of the filters between fields of two degrees."""
    return range(abs(end - start), min(end + start, _HIGHEST) + 1)


@lru_cache(maxsize=64)
def _basis(end: int, start: int, degree: int, entries: tuple[float, ...], radius: float) -> Tensor:
    """(radial functions, 2·end + 1, 2·start + 1, k, j, i) float64; each g integrates to 1 over the ball."""
    o3 = _e3nn()
    linear = torch.tensor(entries, dtype=torch.float64).reshape(3, 3)
    ranges = [torch.arange(-n, n + 1, dtype=torch.float64) for n in half_extent(linear, radius)]
    k, j, i = torch.meshgrid(*ranges, indexing="ij")
    offsets = torch.stack([i, j, k], dim=-1) @ linear.T
    scaled = offsets.norm(dim=-1) / radius
    # a harmonic has no direction at the center; there s^f makes it vanish
    harmonics = o3.spherical_harmonics(degree, offsets, normalize=True, normalization="component")
    coupling = math.sqrt(2 * end + 1) * o3.wigner_3j(end, start, degree, dtype=torch.float64)
    angular = torch.einsum("omf,kjif->omkji", coupling, harmonics)
    radial = torch.stack([scaled**degree * (1 - scaled.square()).clamp(min=0) ** power for power in _POWERS])
    # ∫ 4π r² g dr = 2π R³ B((f + 3)/2, p + 1), the beta function
    mass = [
        math.exp(math.lgamma((degree + 3) / 2) + math.lgamma(power + 1) - math.lgamma((degree + 5) / 2 + power))
        for power in _POWERS
    ]
    cell = float(torch.linalg.det(linear).abs())
    share = torch.tensor([cell / (2 * math.pi * radius**3 * m) for m in mass], dtype=torch.float64)
    return (share[:, None, None, None] * radial)[:, None, None] * angular


def _e3nn() -> Any:
    try:
        from e3nn import o3
    except ImportError as error:
        raise InputError(
            "The equivariant volume network needs e3nn, which is not installed: pip install 'sphericalreg[learned]', "
            "or choose the volume network 'plain' or 'none'."
        ) from error
    return o3
