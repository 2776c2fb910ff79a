"""Volumes and volume networks for tests of equivariance."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.networks.volume_network import volume_network

SCALE = 0.02


def lively(name: str, seed: int = 0, **settings: object) -> nn.Module:
    """A volume network in float64 whose last layer is not zero."""
    torch.manual_seed(seed)
    network = volume_network(name, **settings).double().requires_grad_(False)
    last = network.convolutions[-1].parameters() if name == "equivariant" else [network.last]
    for weight in last:
        nn.init.normal_(weight, std=0.3)
    return network


def added(network: nn.Module, volume: Volume) -> Tensor:
    """Ψ(V), (C, K, J, I), relative to water."""
    with torch.no_grad():
        return (network(volume).density - volume.density) / SCALE


def grid(spacing: tuple[float, float, float], size: tuple[int, int, int] = (8, 10, 12)) -> Volume:
    """Noise (1, *size) on voxels of ``spacing`` mm along (i, j, k): every voxel counts."""
    density = SCALE * torch.rand(1, *size, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    return Volume(density, torch.diag(torch.tensor([*spacing, 1.0]).double()))


def blobs(spacing: tuple[float, float, float], turn: Tensor, half: float = 48.0) -> tuple[Volume, Tensor]:
    """Fourteen Gaussians of σ 4 to 8 mm, turned by ``turn`` (3, 3) about the world's origin, the middle of the grid.

    Returns:
        The volume, sampled without interpolation, and its voxels' world positions (K, J, I, 3).
    """
    generator = torch.Generator().manual_seed(5)
    centers = 22 * (2 * torch.rand(14, 3, generator=generator, dtype=torch.float64) - 1)
    sigmas = 4 + 4 * torch.rand(14, generator=generator, dtype=torch.float64)
    peaks = SCALE * (1 + 1.5 * torch.rand(14, generator=generator, dtype=torch.float64))
    counts = [2 * round(half / s) + 1 for s in spacing]
    frame = torch.diag(torch.tensor([*spacing, 1.0]).double())
    frame[:3, 3] = -(torch.tensor(counts) - 1) / 2 * torch.tensor(spacing).double()
    k, j, i = torch.meshgrid(*[torch.arange(n).double() for n in reversed(counts)], indexing="ij")
    points = torch.stack([i, j, k], dim=-1) @ frame[:3, :3].T + frame[:3, 3]
    away = ((points @ turn)[..., None, :] - centers).square().sum(-1)
    return Volume((peaks * torch.exp(-away / (2 * sigmas**2))).sum(-1)[None], frame), points
