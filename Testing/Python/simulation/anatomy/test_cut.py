"""Parts of a CT: voxels stay where they are in the world, kinds by what labels tell."""

from __future__ import annotations

import numpy as np
import pytest

from SphericalRegLib.errors import InputError
from SphericalRegLib.imaging.ct import CT
from SphericalRegLib.io.ct import read_ct
from SphericalRegLib.sample import sample_path
from SphericalRegLib.simulation.anatomy.cut import KINDS, crop_ct, cut_ct, kinds_of


@pytest.fixture(scope="module")
def pelvis() -> CT:
    return read_ct(
        sample_path("pelvis_lumbar_3mm.nii.gz"),
        labels=sample_path("pelvis_lumbar_3mm_labels.nii.gz"),
        label_names=sample_path("pelvis_lumbar_3mm_labels.json"),
    )


def test_a_crop_keeps_voxels_where_they_are(pelvis: CT) -> None:
    part = crop_ct(pelvis, ((10, 60), (5, 90), (20, 100)))
    assert part.hu.shape == (80, 85, 50)
    np.testing.assert_array_equal(part.hu, pelvis.hu[20:100, 5:90, 10:60])
    np.testing.assert_allclose(part.world_from_voxel @ (0, 0, 0, 1), pelvis.world_from_voxel @ (10, 5, 20, 1))
    assert part.labels is not None
    assert part.labels.shape == part.hu.shape
    with pytest.raises(InputError, match="within a CT"):
        crop_ct(pelvis, ((0, 1000), (0, 10), (0, 10)))


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_leaves_a_part_of_the_ct_as_it_was(pelvis: CT, kind) -> None:
    part, again = (cut_ct(pelvis, np.random.default_rng(3), kind) for _ in range(2))
    np.testing.assert_array_equal(part.hu, again.hu)
    assert 0 < part.hu.size < 0.85 * pelvis.hu.size
    first = np.linalg.solve(pelvis.world_from_voxel, part.world_from_voxel @ (0, 0, 0, 1))[:3].round().astype(int)
    k, j, i = part.hu.shape
    np.testing.assert_array_equal(
        part.hu, pelvis.hu[first[2] : first[2] + k, first[1] : first[1] + j, first[0] : first[0] + i]
    )
    assert (part.hu > 250).sum() >= 200


def test_named_parts_hold_those_bones_whole(pelvis: CT) -> None:
    sizes = {label: int((pelvis.labels == label).sum()) for label in pelvis.label_names}
    for seed in range(4):
        hip = cut_ct(pelvis, np.random.default_rng(seed), "hip")
        whole = {pelvis.label_names[n] for n, size in sizes.items() if int((hip.labels == n).sum()) == size}
        assert {"hip_left", "femur_left"} <= whole or {"hip_right", "femur_right"} <= whole
        spine = cut_ct(pelvis, np.random.default_rng(seed), "vertebrae")
        whole = {pelvis.label_names[n] for n, size in sizes.items() if int((spine.labels == n).sum()) == size}
        assert 2 <= sum(name.startswith("vertebrae_") for name in whole) <= 6


def test_all_possible_kinds_are_drawn_and_without_labels_only_those_that_need_none(pelvis: CT) -> None:
    assert kinds_of(pelvis) == KINDS
    bare = CT(pelvis.hu, pelvis.world_from_voxel)
    assert kinds_of(bare) == ("one end", "both ends", "side")
    with pytest.raises(InputError, match="give labels"):
        cut_ct(bare, np.random.default_rng(0), "hip")
    with pytest.raises(InputError, match="'foot'"):
        cut_ct(bare, np.random.default_rng(0), "foot")  # type: ignore[arg-type]


def test_a_part_without_bone_is_refused() -> None:
    with pytest.raises(InputError, match="hardly any bone"):
        cut_ct(CT(np.zeros((20, 20, 20), np.float32), np.eye(4)), np.random.default_rng(0))
