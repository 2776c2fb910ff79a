"""One CT is known again however it is stored; another one, or a part of it, is not taken for it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.imaging.fingerprint import fingerprint
from SphericalRegLib.imaging.volume import to_volume
from SphericalRegLib.io.ct import read_ct
from SphericalRegLib.sample import sample_path


@pytest.fixture(scope="module")
def pelvis() -> Volume:
    return to_volume(read_ct(sample_path("pelvis_lumbar_3mm.nii.gz")))


def turned_grid(volume: Volume) -> Volume:
    """The same voxels, stored with axes swapped and one of them reversed."""
    density = volume.density.permute(0, 3, 1, 2).flip(2).contiguous()
    i, k = volume.density.shape[3], volume.density.shape[1]
    assert density.shape[1] == i
    # new (i, j, k) are the old (j, reversed k, i)
    old_from_new = torch.tensor([[0, 0, 1, 0], [1, 0, 0, 0], [0, -1, 0, k - 1], [0, 0, 0, 1]], dtype=torch.float64)
    return replace(volume, density=density, world_from_voxel=volume.world_from_voxel @ old_from_new)


def test_another_order_of_voxels_rounding_and_noise_make_no_difference(pelvis):
    expected = fingerprint(pelvis)
    noisy = replace(pelvis, density=pelvis.density + 1e-3 * torch.randn(pelvis.density.shape))
    for same in (turned_grid(pelvis), noisy, pelvis.coarsened((2, 2, 2))):
        assert expected.difference(fingerprint(same)) is None


def test_a_part_is_not_the_whole(pelvis):
    part = replace(pelvis, density=pelvis.density[:, 20:])
    assert "mm in size" in fingerprint(pelvis).difference(fingerprint(part))


def test_another_content_of_the_same_size_is_told(pelvis):
    for other in (pelvis.density.flip(1), pelvis.density.flip(3), torch.zeros_like(pelvis.density)):
        assert "correlate by" in fingerprint(pelvis).difference(fingerprint(replace(pelvis, density=other)))


def test_channels_count_together(pelvis):
    split = replace(pelvis, density=torch.cat([0.25 * pelvis.density, 0.75 * pelvis.density]))
    assert fingerprint(pelvis).difference(fingerprint(split)) is None
