"""Volumes: voxel centers, corners, and coarsening that conserves what X-rays see."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from SphericalRegLib.errors import GeometryError
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.volume import Volume


def oblique_matrix() -> torch.Tensor:
    pose = se3.exp(torch.tensor([0.3, -0.5, 0.2, -40, 25, 800], dtype=torch.float64))
    return pose @ torch.diag(torch.tensor([0.9, 1.3, 2.5, 1.0], dtype=torch.float64))


def a_volume(shape: tuple[int, int, int], channels: int = 1) -> Volume:
    generator = torch.Generator().manual_seed(0)
    return Volume(torch.rand(channels, *shape, generator=generator, dtype=torch.float64), oblique_matrix())


def moments(volume: Volume) -> tuple[torch.Tensor, torch.Tensor]:
    """Mass (C,) and center of mass (C, 3) in the world."""
    cell = torch.linalg.det(volume.world_from_voxel[:3, :3]).abs()
    k, j, i = (torch.arange(n, dtype=torch.float64) for n in volume.density.shape[1:])
    grid = torch.stack(torch.meshgrid(k, j, i, indexing="ij")[::-1], dim=-1)
    world = grid @ volume.world_from_voxel[:3, :3].T + volume.world_from_voxel[:3, 3]
    mass = volume.density.sum(dim=(1, 2, 3))
    center = torch.einsum("ckji,kjix->cx", volume.density, world) / mass[:, None]
    return mass * cell, center


@settings(max_examples=40, deadline=None)
@given(st.tuples(*[st.integers(1, 9)] * 3), st.tuples(*[st.integers(1, 4)] * 3))
def test_coarsening_conserves_mass_whatever_the_remainder(shape, factors):
    fine = a_volume(shape, channels=2)
    assert torch.allclose(moments(fine.coarsened(factors))[0], moments(fine)[0])


def test_coarsening_keeps_the_center_of_mass_of_whole_blocks():
    # constant within blocks, so that a block's mean has the block's center of mass
    blocks = torch.rand(1, 3, 2, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    density = blocks.repeat_interleave(4, 1).repeat_interleave(3, 2).repeat_interleave(2, 3)
    fine = Volume(density, oblique_matrix())
    coarse = fine.coarsened((2, 3, 4))
    assert torch.allclose(coarse.density, blocks)
    assert torch.allclose(moments(coarse)[1], moments(fine)[1])


def test_coarsening_conserves_line_integrals_along_a_grid_axis():
    fine = a_volume((7, 6, 4))
    coarse = fine.coarsened((1, 1, 3))
    along = fine.density.sum(dim=1) * fine.spacing[2]
    assert torch.allclose(coarse.density.sum(dim=1) * coarse.spacing[2], along)


def test_coarsening_keeps_the_isocenter_and_the_outer_corner():
    fine = a_volume((5, 6, 7))
    coarse = fine.coarsened((2, 2, 2))
    assert torch.equal(coarse.center, fine.center)
    assert torch.allclose(coarse.corners()[0], fine.corners()[0])


def test_coarsening_by_one_changes_nothing():
    volume = a_volume((3, 4, 5))
    assert volume.coarsened((1, 1, 1)) is volume


def test_the_default_isocenter_is_the_middle_of_the_corners():
    volume = a_volume((5, 6, 7))
    assert torch.allclose(volume.center, volume.corners().mean(dim=0))


def test_corners_lie_half_a_voxel_beyond_the_outer_centers():
    volume = a_volume((5, 6, 7))
    last = torch.tensor([6.5, 5.5, 4.5, 1.0], dtype=torch.float64)
    assert torch.allclose(volume.corners()[-1], (volume.world_from_voxel @ last)[:3])


def test_spacing_is_along_i_j_k():
    assert torch.allclose(a_volume((2, 2, 2)).spacing, torch.tensor([0.9, 1.3, 2.5], dtype=torch.float64))


def test_moving_it_keeps_the_geometry_exact():
    moved = a_volume((2, 3, 4)).to(dtype=torch.float32)
    assert moved.density.dtype == torch.float32
    assert moved.world_from_voxel.dtype == torch.float64


@pytest.mark.parametrize(
    ("density", "matrix", "words"),
    [
        (torch.zeros(3, 3, 3), torch.eye(4), "density"),
        (torch.zeros(1, 0, 3, 3), torch.eye(4), "density"),
        (torch.zeros(1, 2, 2, 2), torch.diag(torch.tensor([1.0, 0.0, 1.0, 1.0])), "invertible"),
        (torch.zeros(1, 2, 2, 2), torch.full((4, 4), torch.nan), "invertible"),
    ],
)
def test_an_impossible_volume_is_refused(density, matrix, words):
    with pytest.raises(GeometryError, match=words):
        Volume(density, matrix)


def test_a_coarse_volume_is_made_once_but_gradients_always_reach_the_fine_one():
    volume = a_volume((4, 6, 8))
    assert volume.coarsened((2, 2, 2)) is volume.coarsened((2, 2, 2))
    assert volume.to(dtype=torch.float64).coarsened((2, 2, 2)).density.dtype == torch.float64
    learned = volume.to(dtype=torch.float32)
    learned = replace(learned, density=learned.density.clone().requires_grad_())
    for _ in range(2):
        (gradient,) = torch.autograd.grad(learned.coarsened((2, 2, 2)).density.sum(), learned.density)
        assert torch.allclose(gradient, torch.full_like(gradient, 1 / 8))


def test_a_density_that_changed_in_place_is_averaged_again():
    volume = a_volume((4, 6, 8))
    before = volume.coarsened((2, 2, 2)).density.clone()
    volume.density.mul_(3)
    assert torch.allclose(volume.coarsened((2, 2, 2)).density, 3 * before)
