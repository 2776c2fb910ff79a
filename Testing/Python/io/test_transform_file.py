"""Poses in ITK transform files and JSON: direction, patient frame, round trips."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import SimpleITK
import torch

from SphericalRegLib.errors import GeometryError, InputError
from SphericalRegLib.geometry import se3
from SphericalRegLib.io.pose_file import read_pose
from SphericalRegLib.io.transform_file import read_transform, write_transform

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


def text(*transforms: str) -> str:
    blocks = [f"#Transform {number}\n{transform}" for number, transform in enumerate(transforms)]
    return "\n".join(["#Insight Transform File V1.0", *blocks, ""])


QUARTER_TURN = "Transform: AffineTransform_double_3_3\nParameters: 0 -1 0 1 0 0 0 0 1 10 20 30\nFixedParameters: 5 -6 7"
SHIFT = "Transform: TranslationTransform_double_3_3\nParameters: 1 2 3\nFixedParameters:"


@pytest.mark.parametrize("suffix", [".tfm", ".h5"])
@pytest.mark.parametrize(
    "transform",
    [
        SimpleITK.Euler3DTransform((10.0, 20.0, 30.0), 0.3, -0.2, 0.5, (1.0, 2.0, 3.0)),
        SimpleITK.VersorRigid3DTransform((0.6, 0.0, 0.8), 1.1, (4.0, 5.0, 6.0), (-70.0, 8.0, 9.0)),
        SimpleITK.Similarity3DTransform(1.0, (0.0, 0.6, 0.8), -0.7, (4.0, 5.0, 6.0), (70.0, 8.0, 9.0)),
        SimpleITK.TranslationTransform(3, (1.0, -2.0, 3.0)),
        SimpleITK.CompositeTransform(
            [
                SimpleITK.Euler3DTransform((10.0, 20.0, 30.0), 0.3, -0.2, 0.5, (1.0, 2.0, 3.0)),
                SimpleITK.VersorRigid3DTransform((0.6, 0.0, 0.8), 1.1, (4.0, 5.0, 6.0), (-70.0, 8.0, 9.0)),
            ]
        ),
    ],
    ids=lambda transform: transform.GetName(),
)
def test_every_rigid_transform_is_read_as_itk_applies_it(
    tmp_path: Path, transform: SimpleITK.Transform, suffix: str
) -> None:
    path = tmp_path / f"pose{suffix}"
    SimpleITK.WriteTransform(transform, str(path))
    world_lps = (12.0, -34.0, 56.0)
    rig_lps = transform.GetInverse().TransformPoint(world_lps)
    x, y, z = (read_pose(path) @ torch.tensor([-12.0, 34.0, 56.0, 1.0], dtype=torch.float64))[:3].tolist()
    assert (-x, -y, z) == pytest.approx(rig_lps, abs=1e-6)


def test_a_matlab_file_as_ants_writes_it_is_read(tmp_path: Path) -> None:
    euler = SimpleITK.Euler3DTransform((10.0, 20.0, 30.0), 0.3, -0.2, 0.5, (1.0, 2.0, 3.0))
    for suffix in (".mat", ".tfm"):
        SimpleITK.WriteTransform(euler, str(tmp_path / f"pose{suffix}"))
    torch.testing.assert_close(read_pose(tmp_path / "pose.mat"), read_pose(tmp_path / "pose.tfm"), atol=1e-9, rtol=0)


@pytest.mark.parametrize(("ends", "kind"), [("\n", "double"), ("\r\n", "double"), ("\n", "float")])
def test_text_of_any_system_and_precision_is_read(tmp_path: Path, ends: str, kind: str) -> None:
    path = tmp_path / "pose.tfm"
    path.write_text(text(QUARTER_TURN).replace("double", kind), newline=ends)
    # LPS: (x, y, z) → (-y, x, z) about (5, -6, 7), then + (10, 20, 30), so (1, 2, 9) → (7, 10, 39); the pose is its
    # inverse, in RAS
    point = read_pose(path) @ torch.tensor([-7.0, -10.0, 39.0, 1.0], dtype=torch.float64)
    assert point.tolist() == pytest.approx([-1.0, -2.0, 9.0, 1.0])


@pytest.mark.parametrize("first", [QUARTER_TURN, SHIFT])
def test_two_transforms_that_are_no_composite_are_refused(tmp_path: Path, first: str) -> None:
    path = tmp_path / "pose.tfm"
    path.write_text(text(first, SHIFT))
    with pytest.raises(InputError, match=r"pose\.tfm holds 2 transforms \(.*TranslationTransform\).*a file of its own"):
        read_pose(path)


def test_two_transforms_in_hdf5_or_matlab_are_refused(tmp_path: Path) -> None:
    euler = SimpleITK.Euler3DTransform((10.0, 20.0, 30.0), 0.3, -0.2, 0.5, (1.0, 2.0, 3.0))
    SimpleITK.WriteTransform(euler, str(tmp_path / "one.mat"))
    (tmp_path / "two.mat").write_bytes((tmp_path / "one.mat").read_bytes() * 2)
    with pytest.raises(InputError, match="holds 2 transforms"):
        read_pose(tmp_path / "two.mat")
    SimpleITK.WriteTransform(SimpleITK.CompositeTransform([euler, euler]), str(tmp_path / "pose.h5"))
    content = (tmp_path / "pose.h5").read_bytes()
    # of the composite's class only the name changes: what stays are three transforms side by side
    (tmp_path / "pose.h5").write_bytes(content.replace(b"CompositeTransform", b"UnrelatedTransform"))
    with pytest.raises(InputError, match="holds 3 transforms"):
        read_pose(tmp_path / "pose.h5")


def test_a_matlab_file_of_something_else_is_refused(tmp_path: Path) -> None:
    SimpleITK.WriteTransform(SimpleITK.TranslationTransform(3, (1.0, 2.0, 3.0)), str(tmp_path / "pose.mat"))
    content = (tmp_path / "pose.mat").read_bytes()
    (tmp_path / "pose.mat").write_bytes(content.replace(b"Translation", b"Tr\xffnslation"))
    with pytest.raises(InputError, match=r"pose\.mat holds a MATLAB variable"):
        read_pose(tmp_path / "pose.mat")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("10 20 30", "10 nan 30", "must be 12 finite numbers"),
        ("10 20 30", "10 1e400 30", "must be 12 finite numbers"),
        ("10 20 30", "10 twenty 30", "must be 12 finite numbers"),
        ("10 20 30", "10", "has 10 parameters, not 12: it is truncated"),
        ("10 20 30", "10 20 30 40", "has 13 parameters, not 12"),
        ("5 -6 7", "5 inf 7", "FixedParameters must be 3 finite numbers"),
        ("#Insight", "#Another", "begins with '#Another Transform File V1.0': it is no ITK transform"),
        ("0 -1 0 1 0 0 0 0 1", "0 1 0 1 0 0 0 0 1", "scales, shears or mirrors"),
        ("0 -1 0 1 0 0 0 0 1", "0 -2 0 2 0 0 0 0 1", r"its axes become \[2\.0, 2\.0, 1\.0\] long"),
        ("Transform: Affine", "Name: Affine", "holds no transform"),
        ("_3_3", "_2_2", "pose.tfm"),
    ],
)
def test_a_transform_that_itk_would_read_wrongly_is_refused(tmp_path: Path, old: str, new: str, words: str) -> None:
    path = tmp_path / "pose.tfm"
    path.write_text(text(QUARTER_TURN).replace(old, new))
    with pytest.raises(InputError, match=words):
        read_pose(path)


@pytest.mark.parametrize("suffix", [".h5", ".mat"])
@pytest.mark.parametrize("keep", [4, 30, -9])
def test_truncated_and_foreign_binary_files_do_not_reach_itk(tmp_path: Path, suffix: str, keep: int) -> None:
    path = tmp_path / f"pose{suffix}"
    write_transform(path, POSE)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError, match=r"truncated|is no "):
        read_pose(path)
    path.write_text(text(QUARTER_TURN))
    with pytest.raises(InputError, match="is no "):
        read_pose(path)


@pytest.mark.parametrize(
    "transform",
    [
        SimpleITK.Euler2DTransform((1.0, 2.0), 0.3, (4.0, 5.0)),
        SimpleITK.BSplineTransformInitializer(SimpleITK.Image(8, 8, 8, SimpleITK.sitkFloat32), [2, 2, 2]),
    ],
    ids=lambda transform: transform.GetName(),
)
def test_transforms_of_the_plane_and_those_that_bend_are_no_pose(
    tmp_path: Path, transform: SimpleITK.Transform
) -> None:
    SimpleITK.WriteTransform(transform, str(tmp_path / "pose.tfm"))
    with pytest.raises(InputError, match=f"no linear 3D transform .{transform.GetName()}"):
        read_pose(tmp_path / "pose.tfm")


def test_a_calibration_and_a_scene_are_no_pose(tmp_path: Path) -> None:
    (tmp_path / "camera.txt").write_text("image size\n10,20\n")
    with pytest.raises(InputError, match="a calibration, not a pose"):
        read_pose(tmp_path / "camera.txt")
    (tmp_path / "scene.mrml").write_text("<MRML/>")
    with pytest.raises(InputError, match=r"From 3D Slicer, save the transform itself as \.tfm"):
        read_pose(tmp_path / "scene.mrml")


def test_a_scaling_transform_is_no_pose(tmp_path: Path) -> None:
    scaling = SimpleITK.AffineTransform(3)
    scaling.Scale(1.1)
    SimpleITK.WriteTransform(scaling, str(tmp_path / "scaling.tfm"))
    with pytest.raises(GeometryError, match="scales, shears or mirrors"):
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


@pytest.mark.parametrize("value", [[[1, 2], [3, 4]], "abc", [[1, 0, 0, "x"]] * 4, None, True, [[1, 0, 0, 10**400]] * 4])
def test_json_without_a_usable_pose_is_a_clear_error(tmp_path: Path, value: object) -> None:
    (tmp_path / "pose.json").write_text(json.dumps({"rig_from_world_ras_mm": value}))
    with pytest.raises(InputError, match=r"pose\.json"):
        read_pose(tmp_path / "pose.json")
