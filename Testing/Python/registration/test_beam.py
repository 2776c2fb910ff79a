"""A CT that lies in the beam is never refused, however thin it is; one beside it is told where it lies."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from SphericalRegLib.errors import GeometryError
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.carm import pose_from_angles
from SphericalRegLib.geometry.view import View
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.registration.beam import Occupied, check_beam
from SphericalRegLib.rendering import render

# off-center, anisotropic
VIEW = replace(
    View.from_spacing(96, 128, 900.0, (2.0, 1.6), sad=600.0, name="oblique"),
    intrinsics=torch.tensor([[562.5, 0.0, 51.0], [0.0, 450.0, 60.0], [0.0, 0.0, 1.0]], dtype=torch.float64),
)


def rod() -> Volume:
    """An oblique bone 3 voxels thick in a large empty grid of anisotropic voxels."""
    density = torch.zeros(1, 60, 70, 80)
    for step in np.linspace(0, 1, 400):
        k, j, i = (round(float(x)) for x in (5 + 50 * step, 60 - 50 * step, 10 + 55 * step))
        density[0, k : k + 3, j : j + 3, i : i + 3] = 0.05
    matrix = torch.eye(4, dtype=torch.float64)
    matrix[:3, :3] = torch.diag(torch.tensor([-0.9, 1.1, 1.5], dtype=torch.float64))
    matrix[:3, 3] = torch.tensor([30.0, -40.0, 12.0])
    return Volume(density, matrix)


def poses(volume: Volume, count: int = 150) -> torch.Tensor:
    """Anywhere around the beam: about a third of them beside it."""
    rng = np.random.default_rng(3)
    turns = rng.uniform(-np.pi, np.pi, (count, 3)) * 0.5
    shifts = rng.uniform(-1, 1, (count, 3)) * [150, 150, 250]
    twists = torch.from_numpy(np.concatenate([turns, shifts], axis=1))
    base = pose_from_angles(20, 10, 600.0, volume.center)
    return se3.about(twists, base.expand(count, 4, 4), volume.center)


def test_what_a_fine_rendering_sees_is_in_the_beam_and_what_is_far_off_is_not():
    volume = rod()
    many = poses(volume)
    drawn = render(volume, VIEW, many, samples=400).sum(1).flatten(1).amax(1) > 0
    occupied = Occupied.of(volume)
    said = occupied.in_beam(VIEW, many)
    assert 30 < int(drawn.sum()) < 130
    assert not bool((drawn & ~said).any())
    # what is said to be in the beam and is not lies within a ball's reach of it
    wide = replace(VIEW, height=VIEW.height + 60, width=VIEW.width + 60).intrinsics.clone()
    wide[:2, 2] += 30
    wider = replace(VIEW, intrinsics=wide, height=VIEW.height + 60, width=VIEW.width + 60)
    near = render(volume, wider, many, samples=400).sum(1).flatten(1).amax(1) > 0
    assert not bool((said & ~near).any())


def test_a_body_beside_the_beam_or_behind_the_source_is_told_where_it_lies():
    volume = rod()
    base = pose_from_angles(0, 0, 600.0, volume.center)
    beside = se3.about(torch.tensor([[0, 0, 0, 500.0, 0, 0]], dtype=torch.float64), base[None], volume.center)
    with pytest.raises(GeometryError, match=r"does not overlap the beam of oblique.*\[500, 0, 600\] mm"):
        check_beam(volume, [_XRay], beside)
    check_beam(volume, [_XRay], torch.cat([beside, base[None]]))
    behind = se3.about(torch.tensor([[0, 0, 0, 0, 0, -900.0]], dtype=torch.float64), base[None], volume.center)
    with pytest.raises(GeometryError, match="behind the X-ray source of oblique"):
        check_beam(volume, [_XRay], behind)


def test_an_empty_volume_is_in_no_beam():
    volume = rod()
    empty = replace(volume, density=torch.zeros_like(volume.density))
    assert not bool(Occupied.of(empty).in_beam(VIEW, poses(volume, 3)).any())


class _XRay:
    view = VIEW
