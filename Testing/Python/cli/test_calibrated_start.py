"""A calibration that holds a pose as well: the pose is used, or it is said that it is not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import SimpleITK

from SphericalRegLib.cli.main import main
from SphericalRegLib.cli.reading.calibrated_start import start_of_calibration
from SphericalRegLib.io.calibration_files import read_json, write_json
from SphericalRegLib.io.xray import read_xray


@pytest.fixture
def posed(case, tmp_path):
    """(a calibration with the true pose, one without)."""
    views, pose = read_json(case.truth)
    write_json(tmp_path / "posed.json", views, pose)
    write_json(tmp_path / "plain.json", views)
    return str(tmp_path / "posed.json"), str(tmp_path / "plain.json")


def test_it_is_the_start_where_no_other_is_given(posed):
    file, plain = posed
    filled, sentence = start_of_calibration("register", {"view": [file]}, {})
    assert filled == {"start_pose": [file]}
    assert sentence == f"{file} holds a pose as well, which is used as by --start_pose: name another to replace it."
    assert start_of_calibration("render", {"view": [file]}, {})[0] == {"pose": [file]}
    assert start_of_calibration("landscape", {"view": [plain, file]}, {})[0] == {"start_pose": [file]}
    assert start_of_calibration("register", {}, {"view": [file]})[0] == {"start_pose": [file]}
    assert start_of_calibration("render", {}, {"view": file})[0] == {"pose": [file]}


@pytest.mark.parametrize("option", ["preset", "angles", "landmarks", "start_pose"])
def test_its_neglect_is_said_where_another_is_given(option, posed):
    file, _ = posed
    said = f"{file} holds a pose as well, which is not used: --{option} is given."
    assert start_of_calibration("register", {"view": [file], option: ["other"]}, {}) == ({}, said)
    assert start_of_calibration("register", {"view": [file]}, {option: "other"}) == ({}, said)


def test_nothing_is_said_where_there_is_none_or_it_is_named_itself(posed, tmp_path):
    file, plain = posed
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "list.json").write_text("[]")
    for views in ([plain], [str(tmp_path / "broken.json"), str(tmp_path / "list.json"), "absent.json", "a.txt"], []):
        assert start_of_calibration("register", {"view": views}, {}) == ({}, "")
    assert start_of_calibration("register", {"view": [file], "start_pose": [file]}, {}) == ({}, "")
    assert start_of_calibration("evaluate", {"view": [file]}, {}) == ({}, "")


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_registration_starts_from_it(case, posed, tmp_path, capsys):
    file, _ = posed
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(read_xray(case.xray).image), str(tmp_path / "x.nrrd"))
    command = ["register", case.ct, str(tmp_path / "x.nrrd"), "--view", file, "--candidates", "1"]
    assert main([*command, "-o", str(tmp_path / "out"), "--truth", case.truth]) == 0
    assert f"{file} holds a pose as well, which is used" in capsys.readouterr().err
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    assert result["settings"]["start"] == f"the pose in {file}"
    assert result["start_errors"]["mtre_mm"] < 0.01


def test_quiet_says_nothing_of_it_and_a_drr_shows_it(case, posed, tmp_path, capsys):
    file, _ = posed
    drrs = []
    for name, options in (("by_view.nrrd", []), ("by_pose.nrrd", ["--pose", file]), ("ap.nrrd", ["--preset", "AP"])):
        output = tmp_path / name
        assert main(["render", case.ct, "--view", file, *options, "-o", str(output), "-q"]) == 0
        drrs.append(SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(output))))
    assert capsys.readouterr().err == ""
    assert (drrs[0] == drrs[1]).all()
    assert (drrs[0] != drrs[2]).any()
    assert main(["render", case.ct, "--view", file, "--preset", "AP", "-o", str(Path(output))]) == 0
    assert "which is not used: --preset is given" in capsys.readouterr().err
