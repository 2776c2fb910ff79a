"""``sphericalreg track`` from files: a bone in two views, kept frames, and what is refused."""

from __future__ import annotations

import csv
import json

import cv2
import numpy as np
import pytest
import SimpleITK
import torch

from SphericalRegLib.cli.main import main
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.view import View
from SphericalRegLib.imaging.bodies import bodies_of
from SphericalRegLib.imaging.volume import to_volume
from SphericalRegLib.io.calibration_files import read_json, write_autoscoper, write_json
from SphericalRegLib.io.ct import read_ct
from SphericalRegLib.io.keyframe_file import read_keyframes, write_keyframes
from SphericalRegLib.rendering import render


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Two blocks within soft tissue, each a label; X-rays of three frames in which one of them slides."""
    folder = tmp_path_factory.mktemp("track")
    hu = np.full((24, 40, 28), 30, np.int16)
    hu[:2] = -1000
    labels = np.zeros(hu.shape, np.uint8)
    for label, box in ((1, np.s_[6:18, 6:12, 6:13]), (2, np.s_[9:17, 15:24, 14:22])):
        ramp = np.indices(hu[box].shape).sum(0)
        hu[box], labels[box] = 500 + 40 * ramp + 150 * (ramp % 3), label
    for name, values in (("ct", hu), ("labels", labels)):
        image = SimpleITK.GetImageFromArray(values)
        image.SetSpacing((3.0, 2.5, 3.5))
        image.SetOrigin((20.0, -30.0, 15.0))
        SimpleITK.WriteImage(image, str(folder / f"{name}.nii.gz"))
    scan = read_ct(folder / "ct.nii.gz", folder / "labels.nii.gz")
    center = to_volume(scan).center
    turn = se3.so3_exp(torch.tensor([1.3, 0.2, -0.1]).double())
    start = se3.from_parts(turn, torch.tensor([0.0, 0.0, 700.0]).double()) @ se3.translation(-center)
    first = View.from_spacing(56, 60, 1000.0, (3.0, 3.0), name="front")
    middle = se3.translation(torch.tensor([0.0, 0.0, 700.0]).double())
    around = se3.exp(torch.tensor([0.0, 1.4, 0.0, 0.0, 0.0, 0.0]).double())
    views = [first, View(first.intrinsics, 56, 60, 1000.0, middle @ around @ se3.inverse(middle), name="side")]
    write_json(folder / "views.json", views)
    write_keyframes(folder / "keys.json", {1: {"1": start, "rest": start}})
    bone, rest = bodies_of(scan, {"1": [1]})
    for number in range(1, 4):
        slid = start @ se3.translation(torch.tensor([1.5 * (number - 1), 0.0, -1.0 * (number - 1)]).double())
        for view in views:
            image = sum(
                render(body.volume, view, pose[None])[0, 0] for body, pose in ((bone, slid), (rest, start))
            ).numpy()
            (folder / view.name).mkdir(exist_ok=True)
            scaled = np.round(image / 3.0 * 60000).astype(np.uint16)
            cv2.imwrite(str(folder / view.name / f"x_{number:03d}.png"), scaled)
    return folder


def arguments(files, output, *more):
    return [
        "track",
        str(files / "ct.nii.gz"),
        str(files / "front"),
        str(files / "side"),
        *("-o", str(output), "--labels", str(files / "labels.nii.gz"), "--bodies", "1", "--view"),
        *(str(files / "views.json"), "--keyframes", str(files / "keys.json"), "--intensity", "attenuation"),
        *("--mask", "none", "--ct_units", "hu", "--candidates", "1", "--quiet", "true", *more),
    ]


def test_a_sliding_bone_is_followed_and_written_in_every_form(files, tmp_path):
    output = tmp_path / "out"
    assert main(arguments(files, output, "--joints", "rest:1", "--transforms", "true")) in (0, 4)
    rows = list(csv.DictReader((output / "track.csv").open()))
    assert [(row["frame"], row["body"]) for row in rows] == [(str(f), b) for f in (1, 2, 3) for b in ("1", "rest")]
    content = json.loads((output / "track.json").read_text())
    poses = [torch.tensor(frame["bodies"][0]["pose"]).double() for frame in content["frames"]]
    moved = se3.inverse(poses[0]) @ poses[2]
    assert moved[:3, 3].tolist() == pytest.approx([3.0, 0.0, -2.0], abs=0.4)
    assert {path.name for path in output.iterdir()} >= {
        "1.tra",
        "rest.tra",
        "report.html",
        "joints.csv",
        "1_000001.tfm",
    }
    kept = {path.name for path in (tmp_path / "out.frames").iterdir()}
    assert {"inputs.json", "forward_000001.json", "forward_000003.json"} <= kept


def test_frames_that_are_kept_are_not_done_again(files, tmp_path):
    first, again = tmp_path / "out", tmp_path / "again"
    command = arguments(files, first, "--frames", "1", "2")
    assert main(command) in (0, 4)
    state = (tmp_path / "out.frames" / "forward_000002.json").read_bytes()
    assert main(command) in (0, 4)
    assert (tmp_path / "out.frames" / "forward_000002.json").read_bytes() == state
    assert main(arguments(files, again, "--frames", "1", "2")) in (0, 4)
    poses = [
        [frame["bodies"][0]["pose"] for frame in json.loads((folder / "track.json").read_text())["frames"]]
        for folder in (first, again)
    ]
    assert poses[0] == poses[1]


def test_centers_that_are_in_doubt_are_refined_and_reported(files, tmp_path):
    more = ["--frames", "1", "1", "--refine", "center", "--doubt.center_mm", "4"]
    assert main(arguments(files, tmp_path / "out", *more)) in (0, 3, 4)
    (frame,) = json.loads((tmp_path / "out" / "track.json").read_text())["frames"]
    assert [view["name"] for view in frame["refined"]] == ["front", "side"]
    # they are right as they are
    assert all(abs(shift) < 2 for view in frame["refined"] for shift in view["center_mm"])
    assert "not told apart" in (tmp_path / "out" / "report.html").read_text()


def test_a_trial_of_autoscoper_is_tracked_as_it_names_its_files(files, tmp_path):
    scan = read_ct(files / "ct.nii.gz", files / "labels.nii.gz", units="hu")
    bone = np.where(scan.labels == 1, scan.hu + 1024, 0).astype(np.uint16)
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(bone), str(tmp_path / "bone.tif"))
    for view in read_json(files / "views.json").views:
        write_autoscoper(tmp_path / f"{view.name}.csv", view)
    lines = [f"mayaCam_csv {name}.csv" for name in ("front", "side")]
    lines += [f"CameraRootDir {files / name}" for name in ("front", "side")]
    (tmp_path / "run.cfg").write_text("\n".join([*lines, "VolumeFile bone.tif", "VoxelSize 3.0 2.5 3.5"]))
    volume = read_ct(tmp_path / "bone.tif", spacing=(3.0, 2.5, 3.5), rescale=(1, -1024), axes="LPS")
    from_stack = torch.from_numpy(scan.world_from_voxel @ np.linalg.inv(volume.world_from_voxel))
    start = read_keyframes(files / "keys.json")[1]["1"] @ from_stack
    write_keyframes(tmp_path / "keys.json", {1: {"bone": start}})
    options = ["--keyframes", str(tmp_path / "keys.json"), "--ct_rescale", "1", "-1024", "--ct_axes", "LPS"]
    options += ["--intensity", "attenuation", "--mask", "none", "--candidates", "1", "--sdd", "1000", "--quiet", "true"]
    output = tmp_path / "out"
    assert main(["track", "--trial", str(tmp_path / "run.cfg"), "-o", str(output), *options]) in (0, 3, 4)
    content = json.loads((output / "track.json").read_text())
    assert content["settings"]["system"]["name"] == "bones"
    poses = [torch.tensor(frame["bodies"][0]["pose"]).double() for frame in content["frames"]]
    moved = (start @ torch.linalg.inv(from_stack)).inverse() @ poses[2] @ torch.linalg.inv(from_stack)
    # a block alone in soft tissue is followed roughly: what counts here is that both worlds fit together
    assert moved[:3, 3].tolist() == pytest.approx([3.0, 0.0, -2.0], abs=3.0)
    assert len((output / "bone.tra").read_text().splitlines()) == 3


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--frames", "7", "9"], "no frame from 7 to 9"),
        (["--bodies", "3"], "no label '3'"),
        (["--joints", "1"], "--joints '1' is no pair"),
        (["--joints", "rest:2"], "--joints names '2', which is no body"),
        (["--joints", "rest:1", "--axes", "xyx"], "--axes xyx is no order"),
        (["--frame", "1"], "--frame is for a single X-ray"),
        (["--neighbor", "sacrum"], "neighbor 'sacrum' is no body"),
        (["--refine", "focal", "--doubt", "0", "0"], "Nothing of the calibration is in doubt"),
        (["--implants", "cup=cup.stl"], "--implants 'cup=cup.stl' is no body"),
        (["--volumes", "ulna"], "--volumes 'ulna' is no body"),
    ],
)
def test_what_cannot_be_tracked_is_one_line_with_the_remedy(files, tmp_path, capsys, more, words):
    assert main([*arguments(files, tmp_path / "out"), *more]) == 2
    assert words in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "out" / "track.csv").exists()
