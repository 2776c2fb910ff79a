"""Trains networks that tell of pixels where they belong in one patient: landmarks' heatmaps, or scene coordinates."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.view import View
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.networks.dense import HEATMAPS, UNIT_MM, DenseNetwork
from SphericalRegLib.similarity.learned import standardized
from SphericalRegLib.training.trainer import Schedule, Trainer
from SphericalRegLib.training.xrays import XRaySampler

#: Landmarks of a CT that has none marked: so many places of bone, far from one another.
LANDMARKS = 14
# Deviation of a heatmap's Gaussian, pixels; published for 192 pixels: 2.5.
_SIGMA = 1.5
# 1/mm: what is denser is bone. Above soft tissue and blood, below trabecular bone at 70 keV.
_BONE = 0.0235
# Of rays through the volume.
_SAMPLES = 160
# A view must show this share of what a whole one shows of bone.
_SHOWN = 0.1


class DenseTrainer(Trainer):
    """A dense network and what trains it.

    Args:
        xrays: draws the X-rays.
        schedule: of training.
        kind: what is told of pixels, see :class:`~SphericalRegLib.networks.dense.DenseNetwork`.
        width: of the network.
    """

    def __init__(self, xrays: XRaySampler, schedule: Schedule, kind: str = HEATMAPS, width: int = 8) -> None:
        super().__init__("dense training", schedule, {"dense": kind, "width": width})
        self.xrays = xrays
        volume = xrays.volume
        points = spread_bone(volume, LANDMARKS) - volume.center if kind == HEATMAPS else torch.zeros(0, 3)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(schedule.seed)
            self.dense = DenseNetwork(kind, xrays.view.height, width, points.tolist())
        self.prepare(volume.density.device)

    def batch_loss(self, count: int) -> Tensor:
        """See :class:`~SphericalRegLib.training.trainer.Trainer`."""
        taken = self.xrays.draw(count, self.generator)
        maps = self.dense(standardized(taken.images, taken.masks)[:, None])
        if self.dense.kind == HEATMAPS:
            world = torch.tensor(self.dense.points, dtype=torch.float64) + self.xrays.volume.center
            return heatmap_loss(maps, self.xrays.view.project(world, taken.poses).to(maps))
        surfaces = entry_exit(self.xrays.volume, self.xrays.view, taken.poses)
        center = self.xrays.volume.center.to(maps)[:, None, None]
        wanted = torch.cat([(one - center) / UNIT_MM for one in surfaces[:2]], dim=1)
        return coordinate_loss(maps, wanted, surfaces[2])


def heatmap_loss(maps: Tensor, places: Tensor, sigma: float = _SIGMA) -> Tensor:
    """Mean of (1 − NCC)/2 of maps (B, N, H, W) with Gaussians at places (B, N, 2), of those that the image shows."""
    height, width = maps.shape[-2:]
    rows = torch.arange(height, device=maps.device, dtype=maps.dtype)
    columns = torch.arange(width, device=maps.device, dtype=maps.dtype)
    across = ((columns - places[..., :1]) ** 2)[..., None, :]
    down = ((rows - places[..., 1:]) ** 2)[..., :, None]
    wanted = torch.exp(-(across + down) / (2 * sigma**2))
    inside = ((places >= 0) & (places <= places.new_tensor([width - 1, height - 1]))).all(-1).to(maps)
    a, b = (one.flatten(2) - one.flatten(2).mean(-1, keepdim=True) for one in (maps, wanted))
    correlation = (a * b).sum(-1) / (a.square().sum(-1) * b.square().sum(-1) + 1e-12).sqrt()
    return ((1 - correlation) / 2 * inside).sum() / inside.sum().clamp(min=1)


def coordinate_loss(maps: Tensor, wanted: Tensor, bone: Tensor) -> Tensor:
    """Of bone's pixels ‖Δ‖²/σ² + 2 log σ of both surfaces, of the others softplus(−log σ): the mean over all.

    Args:
        maps: (B, 8, H, W): entry, log σ, exit, log σ.
        wanted: (B, 6, H, W) coordinates of entry and exit.
        bone: (B, H, W) 1 where a ray meets bone. Images that show next to none count for nothing.
    """
    total = maps.new_zeros(len(maps))
    for surface, place in ((maps[:, :4], wanted[:, :3]), (maps[:, 4:], wanted[:, 3:])):
        log_sigma = surface[:, 3].clamp(-6, 6)
        off = (surface[:, :3] - place).square().sum(1)
        likely = off * torch.exp(-2 * log_sigma) + 2 * log_sigma
        total = total + torch.where(bone > 0, likely, F.softplus(-log_sigma)).mean(dim=(1, 2))
    shown = bone.mean(dim=(1, 2))
    counts = (shown >= _SHOWN * shown.max()).to(total)
    return (total * counts).sum() / (2 * counts.sum().clamp(min=1))


def entry_exit(volume: Volume, view: View, poses: Tensor, least: float = _BONE) -> tuple[Tensor, Tensor, Tensor]:
    """Where each pixel's ray enters what is dense, and where it leaves it for good.

    Args:
        volume: of which what is denser than ``least``, 1/mm, is looked for, voxel by voxel.
        view: of the image.
        poses: (B, 4, 4) rig_from_world.

    Returns:
        (B, 3, H, W) world mm of entries and of exits, and (B, H, W) 1 where there are any; elsewhere 0.
    """
    density = volume.density
    bone = (density.sum(0) > least).to(density)[None, None]
    v, u = torch.meshgrid(torch.arange(view.height), torch.arange(view.width), indexing="ij")
    pixels = torch.stack([u, v, torch.ones_like(u)], dim=-1).double().reshape(-1, 3)
    world_from_camera = se3.inverse(view.camera_from_world(poses.double()))
    directions = F.normalize(pixels @ view.detector_from_pixel().T, dim=-1) @ world_from_camera[:, :3, :3].mT
    source = world_from_camera[:, None, :3, 3]
    corners = volume.corners()
    middle, radius = corners.mean(0), float((corners - corners.mean(0)).norm(dim=1).max())
    along = ((middle - source) * directions).sum(-1, keepdim=True)
    steps = torch.linspace(-radius, radius, _SAMPLES, dtype=torch.float64)
    distances = along + steps
    # in voxels a ray is a straight line too: two small products in place of one for each sample, in single precision
    to_grid = 2 / torch.tensor(density.shape[:0:-1], dtype=torch.float64)
    turn, shift = volume.voxel_from_world[:3, :3].T * to_grid, (volume.voxel_from_world[:3, 3] + 0.5) * to_grid - 1
    first_place, step_place = (source @ turn + shift).to(density), (directions @ turn).to(density)
    grid = first_place[:, :, None] + distances.to(density)[..., None] * step_place[:, :, None]
    batch = len(poses)
    hit = F.grid_sample(
        bone.expand(batch, *bone.shape[1:]), grid[:, None], mode="nearest", padding_mode="zeros", align_corners=False
    )[:, 0, 0]
    found = hit > 0.5
    any_hit = found.any(-1)
    first = found.to(torch.uint8).argmax(-1, keepdim=True)
    last = _SAMPLES - 1 - found.flip(-1).to(torch.uint8).argmax(-1, keepdim=True)
    half = float(steps[1] - steps[0]) / 2
    surfaces = []
    for index, offset in ((first, -half), (last, half)):
        distance = torch.gather(distances, -1, index) + offset
        surface = (source + distance * directions) * any_hit[..., None]
        surfaces.append(surface.mT.unflatten(-1, (view.height, view.width)).to(density))
    return surfaces[0], surfaces[1], any_hit.unflatten(-1, (view.height, view.width)).to(density)


def spread_bone(volume: Volume, count: int) -> Tensor:
    """(count, 3) float64 world mm: voxels of bone, each as far as can be from those before it."""
    found = np.argwhere(volume.density.sum(0).cpu().numpy() > _BONE)
    chosen = found[np.random.default_rng(0).choice(len(found), min(4000, len(found)), replace=False)]
    voxels = torch.from_numpy(chosen[:, ::-1].astype(np.float64).copy())
    world = voxels @ volume.world_from_voxel[:3, :3].T + volume.world_from_voxel[:3, 3]
    picked = [int((world - world.mean(0)).norm(dim=1).argmax())]
    nearest = (world - world[picked[0]]).norm(dim=1)
    while len(picked) < min(count, len(world)):
        picked.append(int(nearest.argmax()))
        nearest = torch.minimum(nearest, (world - world[picked[-1]]).norm(dim=1))
    return world[picked]
