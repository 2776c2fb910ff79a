"""Bones moved within a patient, for X-rays whose truth is known."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry import se3
from SphericalRegLib.imaging.ct import CT
from SphericalRegLib.simulation.anatomy.moved_bones import with_bones_moved


def a_ct() -> CT:
    """A bone off the middle of soft tissue, on an oblique, anisotropic grid."""
    hu = np.full((24, 30, 32), 20.0, np.float32)
    labels = np.zeros(hu.shape, np.int32)
    hu[8:13, 10:17, 12:20], labels[8:13, 10:17, 12:20] = 800, 4
    matrix = se3.exp(torch.tensor([0.4, 0.2, -0.3, 30.0, -80.0, 15.0]).double()).numpy()
    return CT(hu, matrix @ np.diag([1.5, 2.0, 2.5, 1.0]), labels)


def middle(ct: CT) -> np.ndarray:
    """World mm of the bone's center of mass."""
    k, j, i = ndimage.center_of_mass(np.clip(ct.hu - 20.0, 0, None))
    return (ct.world_from_voxel @ [i, j, k, 1.0])[:3]


def test_the_bone_goes_where_its_motion_takes_it():
    ct = a_ct()
    motion = se3.about(
        torch.tensor([0.1, -0.05, 0.08, 3.0, -2.0, 4.0]).double(), torch.eye(4).double(), torch.from_numpy(middle(ct))
    ).numpy()
    moved = with_bones_moved(ct, [([4], motion)])
    np.testing.assert_allclose(middle(moved), (motion @ [*middle(ct), 1.0])[:3], atol=0.1)
    assert float(np.clip(moved.hu - 20, 0, None).sum()) == pytest.approx(float((ct.hu - 20).sum()), rel=0.03)


def test_nothing_is_left_where_it_was():
    away = np.eye(4)
    away[:3, 3] = [200.0, 0.0, 0.0]
    assert float(with_bones_moved(a_ct(), [([4], away)]).hu.max()) == pytest.approx(20, abs=0.1)


def test_a_bone_that_stays_keeps_its_density():
    ct = a_ct()
    stayed = with_bones_moved(ct, [([4], np.eye(4))])
    np.testing.assert_allclose(stayed.hu[9:12, 11:16, 13:19], 800, atol=1e-2)


def test_bones_that_are_not_there_are_refused():
    with pytest.raises(InputError, match=r"none of the labels \[9\]"):
        with_bones_moved(a_ct(), [([9], np.eye(4))])
