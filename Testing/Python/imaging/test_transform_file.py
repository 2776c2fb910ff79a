"""Poses in ITK transform files and JSON: direction, patient frame, round trips."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import SimpleITK
import torch

from SphericalRegLib.errors import GeometryError, InputError
from SphericalRegLib.geometry import se3
from SphericalRegLib.imaging.pose_file import read_pose
from SphericalRegLib.imaging.transform_file import read_transform, write_transform

POSE = se3.exp(torch.tensor([0.4, -1.1, 0.7, 30.0, -55.0, 810.0], dtype=torch.float64))


@pytest.mark.parametrize("suffix", [".tfm", ".txt", ".h5"])
def test_a_pose_survives_the_round_trip(tmp_path: Path, suffix: str) -> None:
    write_transform(tmp_path / f"pose{suffix}", POSE)
    torch.testing.assert_close(read_transform(tmp_path / f"pose{suffix}"), POSE, atol=1e-9, rtol=0)


def test_itk_maps_points_of_the_rig_to_the_ct_in_lps(tmp_path: Path) -> None:
    write_transform(tmp_path / "pose.tfm", POSE)
    transform = SimpleITK.ReadTransform(str(tmp_path / "pose.tfm"))
    world = torch.tensor([12.0, -34.0, 56.0], dtype=torch.float64)
    rig = POSE[:3, :3] @ world + POSE[:3, 3]
    found = transform.TransformPoint([-float(rig[0]), -float(rig[1]), float(rig[2])])
    assert found == pytest.approx([-12.0, 34.0, 56.0], abs=1e-9)


def test_a_rigid_transform_with_a_center_is_read_as_what_it_does(tmp_path: Path) -> None:
    euler = SimpleITK.Euler3DTransform((10.0, 20.0, 30.0), 0.3, -0.2, 0.5, (1.0, 2.0, 3.0))
    SimpleITK.WriteTransform(euler, str(tmp_path / "euler.tfm"))
    pose = read_pose(tmp_path / "euler.tfm")
    point = torch.tensor(euler.TransformPoint((7.0, 8.0, 9.0)), dtype=torch.float64) * torch.tensor([-1, -1, 1])
    torch.testing.assert_close(pose[:3, :3] @ point + pose[:3, 3], torch.tensor([-7.0, -8.0, 9.0], dtype=torch.float64))


def test_a_scaling_transform_is_no_pose(tmp_path: Path) -> None:
    scaling = SimpleITK.AffineTransform(3)
    scaling.Scale(1.1)
    SimpleITK.WriteTransform(scaling, str(tmp_path / "scaling.tfm"))
    with pytest.raises(GeometryError, match="scales or shears"):
        read_pose(tmp_path / "scaling.tfm")


@pytest.mark.parametrize("content", ["not a transform", "#Insight Transform File V1.0\n#Transform 0\nTransform: "])
def test_a_damaged_transform_is_a_clear_error(tmp_path: Path, content: str) -> None:
    (tmp_path / "bad.tfm").write_text(content)
    with pytest.raises(InputError, match=r"bad\.tfm"):
        read_pose(tmp_path / "bad.tfm")


def test_a_pose_that_is_not_rigid_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(GeometryError, match="not a rigid"):
        write_transform(tmp_path / "pose.tfm", 2 * POSE)
    with pytest.raises(InputError, match="nowhere"):
        write_transform(tmp_path / "nowhere" / "pose.tfm", POSE)


@pytest.mark.parametrize("key", ["rig_from_world_ras_mm", "pose_rig_from_world_ras_mm"])
def test_json_files_hold_a_pose_under_either_name(tmp_path: Path, key: str) -> None:
    (tmp_path / "pose.json").write_text(json.dumps({"other": 1, key: POSE.tolist()}))
    torch.testing.assert_close(read_pose(tmp_path / "pose.json"), POSE, atol=0, rtol=0)


@pytest.mark.parametrize("value", [[[1, 2], [3, 4]], "abc", [[1, 0, 0, "x"]] * 4, None])
def test_json_without_a_usable_pose_is_a_clear_error(tmp_path: Path, value: object) -> None:
    (tmp_path / "pose.json").write_text(json.dumps({"rig_from_world_ras_mm": value}))
    with pytest.raises(InputError, match=r"pose\.json"):
        read_pose(tmp_path / "pose.json")
