"""simulate, render, info and evaluate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import SimpleITK
import torch

from SphericalRegLib.cli.main import main
from SphericalRegLib.geometry import carm, se3
from SphericalRegLib.imaging.volume import to_volume
from SphericalRegLib.io.calibration_files import read_json, write_json
from SphericalRegLib.io.ct import read_ct
from SphericalRegLib.io.xray import read_xray
from SphericalRegLib.rendering import KERNELS
from SphericalRegLib.sample import sample_path


def test_a_simulated_xray_tells_the_nominal_angles_and_only_the_truth_file_the_pose(case: Any) -> None:
    header = pydicom.dcmread(case.xray)
    assert (float(header.PositionerPrimaryAngle), float(header.PositionerSecondaryAngle)) == (180, 0)
    views, pose = read_json(case.truth)
    assert pose is not None
    isocenter = to_volume(read_ct(case.ct)).center
    nominal = carm.pose_from_angles(180, 0, 800, isocenter)
    twist = se3.difference_about(pose, nominal, isocenter)
    expected = torch.cat([torch.deg2rad(torch.tensor([4.0, -3.0, 2.0])), torch.tensor([10.0, -8.0, 20.0])]).double()
    torch.testing.assert_close(twist, expected, atol=1e-6, rtol=0)
    torch.testing.assert_close(read_xray(case.xray).view.intrinsics, views[0].intrinsics)


def test_the_sample_xray_is_what_its_recorded_command_makes() -> None:
    folder = sample_path("pelvis_lumbar_3mm.nii.gz").parent
    lines = [line.strip() for line in (folder / "README.md").read_text().splitlines()]
    start = next(i for i, line in enumerate(lines) if line.startswith("sphericalreg simulate"))
    command = " ".join(line.rstrip("\\") for line in lines[start : start + 3]).split()
    pose = read_json(sample_path("pelvis_lumbar_3mm_ap_truth.json")).pose
    isocenter = to_volume(read_ct(folder / "pelvis_lumbar_3mm.nii.gz")).center
    twist = se3.difference_about(pose, carm.pose_from_angles(180, 0, 800, isocenter), isocenter)
    at = command.index("--rotation-deg") + 1
    assert torch.rad2deg(twist[:3]).tolist() == pytest.approx([float(n) for n in command[at : at + 3]])
    at = command.index("--translation-mm") + 1
    assert twist[3:].tolist() == pytest.approx([float(n) for n in command[at : at + 3]])


def test_a_drr_at_the_true_pose_looks_like_the_xray(case: Any, tmp_path: Path) -> None:
    xray = read_xray(case.xray)
    likeness = []
    for pose in (["--pose", case.truth], ["--preset", "AP"]):
        output = tmp_path / "drr.nrrd"
        assert main(["render", "--ct", case.ct, *pose, "--view", case.truth, "--output", str(output), "--quiet"]) == 0
        drr = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(output)))
        likeness.append(np.corrcoef(drr.ravel(), xray.image.ravel())[0, 1])
    assert likeness[0] > 0.9
    assert likeness[0] > likeness[1] + 0.02


def test_a_drr_of_nothing_is_an_error_and_no_file(
    case: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pose.json").write_text(json.dumps({"rig_from_world_ras_mm": torch.eye(4).tolist()}))
    far = json.dumps({"rig_from_world_ras_mm": [[1, 0, 0, 9e4], [0, 1, 0, 0], [0, 0, 1, 900], [0, 0, 0, 1]]})
    (tmp_path / "pose.json").write_text(far)
    output = tmp_path / "drr.png"
    assert main(["render", "--ct", case.ct, "--pose", str(tmp_path / "pose.json"), "--output", str(output)]) == 2
    assert "does not overlap" in capsys.readouterr().err
    assert not output.exists()


def test_info_tells_what_a_ct_is(case: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", case.ct, "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)[case.ct]
    assert facts["kind"] == "CT"
    assert facts["voxels_ijk"] == [122, 101, 112]
    assert facts["spacing_ijk_mm"] == pytest.approx([3, 3, 3])


def test_info_tells_an_xrays_geometry_and_what_is_missing(
    case: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "plain.nrrd"
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(np.eye(64, dtype=np.float32)), str(picture))
    assert main(["info", case.xray, str(picture), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts[case.xray]["source_to_detector_mm"] == 1200
    assert facts[case.xray]["missing"] == "nothing"
    assert facts[case.xray]["usable_fraction"] > 0.5
    assert "sdd" in facts[str(picture)]["missing"]


def test_info_without_a_file_tells_devices_and_kernels(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info"]) == 0
    text = capsys.readouterr()
    assert all(f"{name}: {kernel.title}" in text.out for name, kernel in KERNELS.items())
    assert "cpu" in text.out
    assert "not a medical device" in text.err
    assert main(["info", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["machine"]["auto"]["cpu"] == "numba"


def test_evaluate_prints_its_figures_as_one_last_line_of_json(
    case: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = tmp_path / "rows.csv"
    assert main(["evaluate", "--ct", case.ct, "--cases", "1", "--json", "--quiet", "--csv", str(rows)]) == 0
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    keys = {"smsr", "median_mm", "p75_mm", "p95_mm", "gross_failures", "false_accepts", "median_s"}
    assert keys <= set(figures)
    assert len(rows.read_text().splitlines()) == 2


def test_help_says_that_this_is_no_medical_device(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    assert stop.value.code == 0
    assert "not a medical device" in " ".join(capsys.readouterr().out.split())


def test_a_simulated_xray_at_a_given_pose_tells_the_angles_of_that_pose(case: Any, tmp_path: Path) -> None:
    isocenter = to_volume(read_ct(case.ct)).center
    views, _ = read_json(case.truth)
    write_json(tmp_path / "pose.json", views, carm.pose_from_angles(95.0, 7.0, 800.0, isocenter))
    files = ["--output", str(tmp_path / "x.dcm"), "--truth", str(tmp_path / "t.json")]
    size = ["--size", "64", "64", "--spacing", "6.4", "6.4", "--quiet"]
    assert main(["simulate", "--ct", case.ct, *files, "--pose", str(tmp_path / "pose.json"), *size]) == 0
    header = pydicom.dcmread(tmp_path / "x.dcm")
    assert float(header.PositionerPrimaryAngle) == pytest.approx(95.0, abs=1e-3)
    assert float(header.PositionerSecondaryAngle) == pytest.approx(7.0, abs=1e-3)


@pytest.mark.parametrize("level", ["mild", "clinical", "harsh"])
def test_a_level_draws_the_same_xray_for_a_seed(case: Any, level: str, tmp_path: Path) -> None:
    for name, seed in (("a", "5"), ("b", "5"), ("c", "6")):
        files = ["--output", str(tmp_path / f"{name}.dcm"), "--truth", str(tmp_path / f"{name}.json")]
        size = ["--size", "48", "48", "--spacing", "8", "8", "--quiet"]
        assert main(["simulate", "--ct", case.ct, *files, *size, "--level", level, "--seed", seed]) == 0
    first, again, other = (pydicom.dcmread(tmp_path / f"{name}.dcm").PixelData for name in "abc")
    assert first == again
    assert first != other


@pytest.mark.parametrize(
    ("command", "options", "words"),
    [
        ("simulate", ["--output", "x.dcm", "--truth", "t.json", "--seed", "-1"], "seed is -1"),
        (
            "simulate",
            ["--output", "x.dcm", "--truth", "t.json", "--random", "true", "--level", "harsh"],
            "--random is --level mild",
        ),
        ("simulate", ["--output", "x.dcm", "--truth", "t.json", "--instruments", "true"], "add --level"),
        ("evaluate", ["--cases", "1", "--seed", "-1"], "seed is -1"),
        ("evaluate", ["--cases", "1", "--candidates", "0"], "candidates is 0"),
        ("evaluate", ["--cases", "100", "--csv", "/proc/x.csv"], "/proc"),
        ("register", ["--xray", "XRAY", "--output", "out", "--footprint_mm", "-1"], "footprint_mm is -1"),
    ],
)
def test_impossible_values_are_named_before_any_work(
    command: str,
    options: list[str],
    words: str,
    case: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    options = [case.xray if option == "XRAY" else option for option in options]
    assert main([command, "--ct", case.ct, *options, "--quiet"]) == 2
    assert words in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_truth_of_a_simulation_lies_beside_the_xray_unless_it_is_told_where(case: Any, tmp_path: Path) -> None:
    size = ["--size", "32,32", "--spacing", "12.8,12.8", "-q", "--downsample", "4"]
    assert main(["simulate", case.ct, "-o", str(tmp_path / "x.dcm"), *size]) == 0
    assert {file.name for file in tmp_path.iterdir()} == {"x.dcm", "x_truth.json"}
    assert read_json(tmp_path / "x_truth.json").pose is not None


def test_numbers_that_a_calibration_tells_are_refused_beside_it(
    case: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = ["-o", str(tmp_path / "x.png")]
    assert main(["render", case.ct, "--view", case.truth, "--size", "32", "32", *output]) == 2
    assert "--size is told by the calibration" in capsys.readouterr().err
