"""What a regressor says becomes the pose that it means, in any view of a rig and for any isocenter."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from SphericalRegLib.errors import CheckpointError
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.view import View
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.imaging.fingerprint import fingerprint
from SphericalRegLib.imaging.xray import XRay
from SphericalRegLib.initialization.regressed import regressed_poses
from SphericalRegLib.networks.model import Model, ModelCard
from SphericalRegLib.networks.regressor import Prediction

SAID = torch.tensor([[0.5, -0.25, 1.0, 0.2, -0.6, 0.9]])
VIEW = View.from_spacing(32, 32, 1000.0, (11.2, 11.2), sad=700.0)


class Says(nn.Module):
    """Answers the same to every image, and remembers them."""

    settings: dict[str, int] = {}  # noqa: RUF012

    def __init__(self, twists: torch.Tensor = SAID, inside: float = 2.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.twists, self.inside, self.seen = twists, torch.tensor([inside]), []

    def forward(self, images: torch.Tensor) -> Prediction:
        self.seen.append(images)
        return Prediction(self.twists.expand(len(images), 6), self.inside.expand(len(images)))


@pytest.fixture
def volume():
    density = 0.05 * torch.rand(1, 10, 12, 14, generator=torch.Generator().manual_seed(0))
    matrix = torch.diag(torch.tensor([20.0, 20.0, 25.0, 1.0], dtype=torch.float64))
    matrix[:3, 3] = torch.tensor([-50.0, 80.0, 300.0])
    return Volume(density, matrix)


def card_for(volume: Volume) -> ModelCard:
    nominal = torch.eye(4, dtype=torch.float64)
    nominal[:3, :3] = se3.so3_exp(torch.tensor([0.3, -0.2, 1.1], dtype=torch.float64))
    nominal[:3, 3] = torch.tensor([5.0, -7.0, 700.0])
    return ModelCard(
        "said",
        "2026-01-01",
        "0.1",
        VIEW.intrinsics.tolist(),
        32,
        32,
        1000.0,
        700.0,
        nominal.tolist(),
        {"rotation_deg": 20.0, "in_plane_mm": 50.0, "depth_mm": 100.0},
        {"rotation_deg": 45.0, "in_plane_mm": 80.0, "depth_mm": 150.0},
        fingerprint=fingerprint(volume),
    )


def xray(view: View) -> XRay:
    image = np.random.default_rng(0).random((view.height, view.width)).astype(np.float32)
    return XRay(image, view, np.ones(image.shape, bool))


def test_the_twist_is_in_half_widths_about_the_isocenter_and_along_the_cameras_axes(volume):
    card = card_for(volume)
    found = regressed_poses(Model(card, Says()), volume, [xray(VIEW.resized(64, 64))])[0]
    nominal = card.nominal_pose(volume.center)
    isocenter = se3.transform_points(found.pose, volume.center[None])[0]
    # 0.2 · 50, −0.6 · 50, 0.9 · 100
    twist = torch.tensor([[*(np.deg2rad(20) * np.array([0.5, -0.25, 1.0])), 10.0, -30.0, 90.0]], dtype=torch.float64)
    torch.testing.assert_close(found.pose, se3.about(twist, nominal[None], volume.center)[0], rtol=0, atol=1e-5)
    turn = found.pose[:3, :3] @ nominal[:3, :3].T
    torch.testing.assert_close(se3.so3_log(turn), twist[0, :3], rtol=0, atol=1e-6)
    moved = isocenter - torch.tensor([5.0, -7.0, 700.0], dtype=torch.float64)
    screwed = se3.so3_left_jacobian(twist[:, :3])[0] @ twist[0, 3:]
    torch.testing.assert_close(moved, screwed, rtol=0, atol=1e-4)
    assert found.inside == pytest.approx(torch.sigmoid(torch.tensor(2.0)).item())


def test_each_view_of_a_rig_speaks_for_its_own_camera(volume):
    turned = se3.exp(torch.tensor([[0.0, 1.2, 0.0, 400.0, 0.0, 300.0]], dtype=torch.float64))[0]
    second = replace(VIEW.resized(64, 64), camera_from_rig=turned)
    first, other = regressed_poses(Model(card_for(volume), Says()), volume, [xray(VIEW.resized(64, 64)), xray(second)])
    torch.testing.assert_close(turned @ other.pose, first.pose)


def test_the_image_is_put_onto_the_models_pixels_and_standardized(volume):
    regressor = Says()
    wide = View.from_spacing(100, 120, 1200.0, (6.0, 6.0), principal_point=(70.0, 40.0))
    regressed_poses(Model(card_for(volume), regressor), volume, [xray(wide)])
    (seen,) = regressor.seen
    assert seen.shape == (2, 1, 32, 32)
    torch.testing.assert_close(seen[1], seen[0].flip(-1), rtol=0, atol=1e-4)
    counted = seen[seen != 0]
    assert float(counted.mean()) == pytest.approx(0, abs=1e-4)
    assert float(counted.std()) == pytest.approx(1, abs=0.01)


def test_the_pose_from_the_opposite_side_shows_the_patient_mirrored(volume):
    view = VIEW.resized(64, 64)
    found = regressed_poses(Model(card_for(volume), Says()), volume, [xray(view)])[0]
    isocenter = [se3.transform_points(pose, volume.center[None])[0] for pose in (found.pose, found.opposite)]
    torch.testing.assert_close(isocenter[1], isocenter[0] * torch.tensor([-1.0, 1.0, 1.0], dtype=torch.float64))
    # in the isocenter's plane across the beam, where there is no perspective, points are exactly mirrored
    across = se3.transform_points(se3.inverse(found.pose), isocenter[0] + torch.eye(3, dtype=torch.float64)[:2] * 30)
    one, other = (view.project(across, pose) for pose in (found.pose, found.opposite))
    mirrored = torch.stack([2 * view.intrinsics[0, 2] - one[:, 0], one[:, 1]], dim=1)
    torch.testing.assert_close(other, mirrored)
    assert float(torch.linalg.det(found.opposite[:3, :3])) == pytest.approx(1)


def test_a_network_gone_astray_stays_near_its_range(volume):
    card = card_for(volume)
    wild = Model(card, Says(100 * SAID))
    pose = regressed_poses(wild, volume, [xray(VIEW.resized(64, 64))])[0].pose
    twist = se3.difference_about(pose[None], card.nominal_pose(volume.center)[None], volume.center)[0]
    assert float(twist[3:].abs().max()) < 1.5 * 100 + 1


def test_another_patient_or_no_regressor_is_refused(volume):
    other = replace(volume, density=volume.density.flip(1))
    with pytest.raises(CheckpointError, match="trained for another CT"):
        regressed_poses(Model(card_for(volume), Says()), other, [xray(VIEW)])
    with pytest.raises(CheckpointError, match="'said' has no pose regressor"):
        regressed_poses(Model(card_for(volume)), volume, [xray(VIEW)])
