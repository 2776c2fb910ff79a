"""The main job from files to files: results, exit codes, and what is left after an error."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK
import torch

from SphericalRegLib.cli.main import main
from SphericalRegLib.geometry import se3
from SphericalRegLib.imaging.volume import to_volume
from SphericalRegLib.io.ct import read_ct
from SphericalRegLib.io.pose_file import read_pose
from SphericalRegLib.networks.model import load_model
from SphericalRegLib.sample import sample_path

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@pytest.fixture(scope="module")
def registered(case: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("registered") / "new" / "folder"
    arguments = ["register", "--ct", case.ct, "--xray", case.xray, "--truth", case.truth, "--output", str(output)]
    assert main([*arguments, "--quiet"]) == 0
    return output


def test_an_accepted_registration_leaves_all_files_and_nothing_else(registered: Path) -> None:
    expected = {"result.json", "report.html", "pose.tfm", "drr.png", "drr.nrrd"}
    assert {file.name for file in registered.iterdir()} == expected


def test_the_result_holds_verdict_error_time_and_pose(registered: Path, case: Any) -> None:
    result = json.loads((registered / "result.json").read_text())
    assert result["accepted"] is True
    assert result["reasons"] == []
    assert result["mtre_mm"] == result["errors"]["mtre_mm"] < 1.0
    assert result["start_errors"]["mtre_mm"] > 10
    assert result["seconds"] > 0
    assert np.array(result["covariance_rad_mm"]).shape == (6, 6)
    assert "not a medical device" in result["notice"]
    difference = np.array(result["pose_rig_from_world_ras_mm"]) - read_pose(case.truth).numpy()
    assert np.abs(difference[:3, :3]).max() < 5e-3


def test_the_transform_is_the_pose_of_the_result(registered: Path) -> None:
    torch.testing.assert_close(
        read_pose(registered / "pose.tfm"), read_pose(registered / "result.json"), atol=1e-6, rtol=0
    )


def test_the_drr_has_the_size_of_the_xray_and_all_its_values(registered: Path) -> None:
    drr = SimpleITK.ReadImage(str(registered / "drr.nrrd"))
    assert drr.GetSize() == (128, 128)
    assert drr.GetSpacing() == pytest.approx((3.2, 3.2))
    assert 3 < SimpleITK.GetArrayFromImage(drr).max() < 30


def test_the_report_is_one_file_that_asks_for_nothing_else(registered: Path) -> None:
    page = (registered / "report.html").read_text()
    sources = re.findall(r'(?:src|href)="([^"]{0,30})', page)
    assert len(sources) == 7
    assert all(source.startswith("data:image/") for source in sources)
    for words in ("Accepted", "X-ray", "DRR", "Checkerboard", "Difference", "Cost curve", "not a medical device"):
        assert words in page


def test_an_xray_of_something_else_is_rejected_with_exit_code_3(case: Any, tmp_path: Path) -> None:
    v, u = np.mgrid[:128, :128]
    other = (np.sin(u / 5.0) * np.cos(v / 7.0) + np.random.default_rng(0).normal(0, 0.1, u.shape)).astype(np.float32)
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(other), str(tmp_path / "other.nrrd"))
    arguments = ["--xray", str(tmp_path / "other.nrrd"), "--sdd", "1200", "--sad", "800", "--spacing", "3.2", "3.2"]
    output = ["--preset", "AP", "--candidates", "1", "--output", str(tmp_path / "out"), "--quiet"]
    assert main(["register", "--ct", case.ct, *arguments, *output]) == 3
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    assert result["accepted"] is False
    assert result["reasons"]
    page = (tmp_path / "out" / "report.html").read_text()
    assert "Rejected" in page
    assert "The true pose is not known" in page


def test_a_typed_distance_is_not_taken_as_exact(case: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = ["register", case.ct, case.xray, "--candidates", "1", "--truth", case.truth, "--preset", "AP"]
    exact = ["--geometry_tolerance.sdd_mm", "0"]
    verdicts, widths, errors, words = {}, {}, {}, {}
    for name, options in {
        "right, typed": ["--sdd", "1200"],
        "right, known": ["--sdd", "1200", *exact],
        "the file's, doubted": ["--geometry_tolerance.sdd_mm", "12"],
        "wrong, typed": ["--sdd", "1000"],
    }.items():
        folder = tmp_path / name
        verdicts[name] = main([*base, *options, "-o", str(folder)])
        words[name] = capsys.readouterr().err
        result = json.loads((folder / "result.json").read_text())
        widths[name], errors[name] = result["half_widths_95"]["depth_mm"], result["errors"]["mtre_mm"]
    # 1 % of 800 mm to the isocenter
    assert widths["right, typed"] == pytest.approx(8.0, rel=0.15)
    assert widths["the file's, doubted"] == pytest.approx(widths["right, typed"], rel=1e-6)
    assert (verdicts["right, typed"], verdicts["right, known"], verdicts["the file's, doubted"]) == (4, 0, 4)
    assert errors["right, typed"] < 1
    assert "--geometry_tolerance.sdd_mm" in words["right, typed"]
    # nobody can see it in the image, but nothing is claimed of its depth
    assert errors["wrong, typed"] > 100
    assert verdicts["wrong, typed"] in (3, 4)
    assert widths["wrong, typed"] > 6


def test_a_yaml_file_can_hold_the_options(case: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "job.yaml"
    config.write_text(f"ct: {case.ct}\nxray: [{case.xray}]\noutput: {tmp_path / 'out'}\ncandidates: 0\nquiet: true\n")
    assert main(["register", "--config", str(config)]) == 2
    assert "candidates is 0" in capsys.readouterr().err


BAD = {
    "no such CT": (["--ct", "nowhere.nii.gz"], r"nowhere\.nii\.gz"),
    "no such X-ray": (["--xray", "nowhere.dcm"], r"nowhere\.dcm"),
    "two X-rays without calibration": (["--xray", "XRAY", "XRAY"], r"2 X-rays.*--view"),
    "two starts": (["--preset", "AP", "--angles", "0", "0"], r"--preset and --angles"),
    "no pose in the start file": (["--start-pose", "LABEL_NAMES"], r"holds no pose"),
    "bones without labels": (["--bones", "sacrum"], r"label map"),
    "SAD beyond SDD": (["--sad", "5000"], r"5000"),
    "a device that is not there": (["--device", "mps"], r"no device 'mps'"),
    "a kernel that is not there": (["--kernel", "opengl"], r"opengl"),
    "a learned stage without a model": (["--learned_stage"], r"--learned_stage.*--model"),
    "no candidate": (["--candidates", "0"], r"candidates is 0"),
}


@pytest.mark.parametrize("change", BAD)
def test_bad_input_gives_exit_code_2_a_message_and_no_files(
    change: str, case: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options, message = BAD[change]
    files = {"LABEL_NAMES": str(sample_path("pelvis_lumbar_3mm_labels.json")), "XRAY": case.xray}
    options = [files.get(option, option) for option in options]
    if change.startswith("a device") and torch.backends.mps.is_available():
        pytest.skip("this machine has it")
    given = {"--ct": case.ct, "--xray": case.xray, "--output": str(tmp_path / "out")}
    base = [part for name, value in given.items() if name != options[0] for part in (name, value)]
    assert main(["register", *base, *options, "--quiet"]) == 2
    errors = capsys.readouterr().err
    assert re.search(message, errors)
    assert "Traceback" not in errors
    assert list(tmp_path.iterdir()) == []


def test_an_output_that_cannot_be_written_is_told_before_any_work(
    case: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("mine")
    for output in (tmp_path / "file", tmp_path / "file" / "below"):
        assert main(["register", case.ct, case.xray, "-o", str(output)]) == 2
        assert str(output) in capsys.readouterr().err
    assert (tmp_path / "file").read_text() == "mine"


def test_verbose_shows_where_an_error_comes_from(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["register", "--ct", "x", "--xray", "y", "--output", str(tmp_path / "out"), "--verbose"])
    assert "Traceback" in capsys.readouterr().err


def test_an_earlier_result_survives_a_failed_run(registered: Path, tmp_path: Path, case: Any) -> None:
    folder = tmp_path / "kept"
    shutil.copytree(registered, folder)
    assert main(["register", "--ct", "nowhere", "--xray", case.xray, "--output", str(folder), "--quiet"]) == 2
    assert {f.name: f.read_bytes() for f in folder.iterdir()} == {f.name: f.read_bytes() for f in registered.iterdir()}


def test_the_demo_registers_the_sample_to_less_than_a_millimeter(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", "--output", str(tmp_path / "demo")]) == 0
    result = json.loads((tmp_path / "demo" / "result.json").read_text())
    assert result["accepted"]
    assert "the model 'pelvis_lumbar_3mm_model'" in json.dumps(result["settings"])
    assert result["start_errors"]["mtre_mm"] > 5
    assert result["mtre_mm"] < 1.0
    assert str(tmp_path / "demo" / "report.html") in capsys.readouterr().err


@pytest.fixture(scope="module")
def encoders(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The shipped model without its regressor."""
    path = tmp_path_factory.mktemp("models") / "encoders.safetensors"
    replace(load_model(sample_path("pelvis_lumbar_3mm_model.safetensors")), regressor=None).save(path)
    return str(path)


def test_the_learned_stage_aligns_a_far_start_first(case: Any, encoders: str, tmp_path: Path) -> None:
    center = to_volume(read_ct(case.ct)).center
    off = torch.tensor([[0.5, -0.5, 0.4, 50.0, -40.0, 100.0]], dtype=torch.float64)
    far = se3.about(off, read_pose(case.truth)[None], center)[0]
    (tmp_path / "far.json").write_text(json.dumps({"rig_from_world_ras_mm": far.tolist()}))
    start = ["--start-pose", str(tmp_path / "far.json"), "--candidates", "1", "--truth", case.truth]
    arguments = ["register", "--ct", case.ct, "--xray", case.xray, *start, "--model", encoders, "--quiet"]
    assert main([*arguments, "--output", str(tmp_path / "plain")]) == 3
    assert main([*arguments, "--output", str(tmp_path / "learned"), "--learned-stage"]) == 0
    plain, learned = (json.loads((tmp_path / name / "result.json").read_text()) for name in ("plain", "learned"))
    assert plain["mtre_mm"] > 20
    assert learned["mtre_mm"] < 1
    given = f"the pose in {tmp_path / 'far.json'}"
    # the model gave no start
    assert plain["settings"]["start"] == given
    name = "pelvis_lumbar_3mm_model"
    assert learned["settings"]["start"] == f"{given}, then the learned similarity of the model '{name}'"
    assert learned["settings"]["stages"][0].startswith("learned: as trained px, ")


def test_the_learned_stage_needs_a_model_with_encoders_for_this_ct(
    case: Any, encoders: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = load_model(sample_path("pelvis_lumbar_3mm_model.safetensors"))
    replace(whole, moving=None, fixed=None).save(tmp_path / "regressor.safetensors")
    arguments = ["register", "--ct", case.ct, "--xray", case.xray, "--output", str(tmp_path / "out"), "--learned_stage"]
    assert main([*arguments, "--model", str(tmp_path / "regressor.safetensors"), "--quiet"]) == 2
    assert "has no encoders" in capsys.readouterr().err
    assert main([*arguments, "--model", encoders, "--downsample", "40", "--quiet"]) == 2
    assert "trained for another CT" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_bone_alone_in_one_view_is_never_reported_without_a_caution_about_depth(
    case: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels, names = (str(sample_path(f"pelvis_lumbar_3mm_labels.{end}")) for end in ("nii.gz", "json"))
    bone = ["--labels", labels, "--label_names", names, "--bones", "sacrum", "--candidates", "1"]
    arguments = ["register", "--ct", case.ct, "--xray", case.xray, *bone, "--start-pose", case.truth]
    assert main([*arguments, "--output", str(tmp_path / "out")]) in (0, 3)
    assert "Depth not known from one view" in capsys.readouterr().err
    assert "Depth not known from one view" in (tmp_path / "out" / "report.html").read_text()
    assert len(json.loads((tmp_path / "out" / "result.json").read_text())["cautions"]) == 1


def test_a_whole_ct_needs_no_caution(registered: Path) -> None:
    assert json.loads((registered / "result.json").read_text())["cautions"] == []
