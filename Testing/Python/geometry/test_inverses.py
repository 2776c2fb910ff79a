"""Inverses that views and volumes keep, for every image asks for them."""

import pytest
import torch

from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.view import View
from SphericalRegLib.geometry.volume import Volume


@pytest.fixture
def rigid() -> torch.Tensor:
    return se3.exp(torch.tensor([0.2, 0.1, -0.3, 20.0, -10.0, 40.0]).double())


def test_a_view_keeps_its_inverses(rigid):
    view = View(torch.tensor([[-70.0, 0.0, 4.0], [0.0, 90.0, 7.0], [0.0, 0.0, 1.0]]), 11, 13, 1000.0, rigid)
    torch.testing.assert_close(view.rig_from_camera @ rigid, torch.eye(4).double())
    torch.testing.assert_close(view.detector_from_pixel() @ view.intrinsics, 1000 * torch.eye(3).double())
    assert view.rig_from_camera is view.rig_from_camera
    assert view.detector_from_pixel() is view.detector_from_pixel()


def test_another_view_has_inverses_of_its_own(rigid):
    view = View.from_spacing(8, 8, 1000.0, (2.0, 3.0))
    before = view.detector_from_pixel()
    smaller = view.resized(4, 4)
    torch.testing.assert_close(smaller.detector_from_pixel() @ smaller.intrinsics, 1000 * torch.eye(3).double())
    assert not torch.equal(before, smaller.detector_from_pixel())


def test_a_volume_keeps_its_inverse_and_a_coarser_one_has_another(rigid):
    volume = Volume(torch.zeros(1, 4, 4, 4), rigid @ torch.diag(torch.tensor([2.0, 3.0, 4.0, 1.0]).double()))
    torch.testing.assert_close(volume.voxel_from_world @ volume.world_from_voxel, torch.eye(4).double())
    assert volume.voxel_from_world is volume.voxel_from_world
    coarse = volume.coarsened((2, 2, 2))
    torch.testing.assert_close(coarse.voxel_from_world @ coarse.world_from_voxel, torch.eye(4).double())
