"""Landscapes from files to files."""

from __future__ import annotations

import json
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from SphericalRegLib.cli.commands import landscape as command
from SphericalRegLib.cli.main import main
from SphericalRegLib.evaluation.simulated import simulated_cases
from SphericalRegLib.evaluation.suites import SUITES
from SphericalRegLib.io.ct import read_ct
from SphericalRegLib.io.pose_file import read_pose
from SphericalRegLib.landscape.files import read_npz
from SphericalRegLib.landscape.survey import Survey
from SphericalRegLib.sample import sample_path

FILES = {"landscape.png", "landscape.csv", "landscape.npz", "landscape.json"}


def arguments(case: Any, folder: Path, **changed: list[str]) -> list[str]:
    """A small landscape around the truth; single options can be given otherwise."""
    options = {
        "--ct": [case.ct],
        "--xray": [case.xray],
        "--start-pose": [case.truth],
        "--output": [str(folder)],
        "--parameters": ["ry", "tx"],
        "--extent": ["0.4", "60"],
        "--steps": ["5", "7"],
        "--size": ["32"],
        "--similarity": ["ncc", "so4"],
    } | {f"--{name.replace('_', '-')}": values for name, values in changed.items()}
    return ["landscape", *(part for name, values in options.items() for part in (name, *values)), "--quiet"]


def test_a_landscape_leaves_picture_table_and_numbers_and_is_lowest_at_the_truth(
    case: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "new" / "folder"
    assert main([*arguments(case, output), "--json"]) == 0
    assert {file.name for file in output.iterdir()} == FILES
    numbers = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert numbers == json.loads((output / "landscape.json").read_text())
    assert [(a["parameter"], a["unit"], a["extent"], a["steps"]) for a in numbers["axes"]] == [
        ("ry", "rad", 0.4, 5),
        ("tx", "mm", 60.0, 7),
    ]
    for name in ("ncc", "so4"):
        assert numbers["costs"][name]["minimum"]["at"] == pytest.approx({"ry": 0.0, "tx": 0.0})
    assert numbers["costs"]["ncc"]["gauss_newton_condition_6x6_at_center"] > 10
    found = read_npz(output / "landscape.npz")
    assert found.values.shape == (2, 5, 7)
    np.testing.assert_allclose(found.pose, read_pose(case.truth).numpy())


def test_without_choice_all_similarities_are_told_in_text_over_the_papers_ranges(
    case: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = ["--ct", case.ct, "--xray", case.xray, "--output", str(tmp_path / "out")]
    assert main(["landscape", *places, "--parameters", "rx", "tz", "--steps", "3", "3", "--size", "32"]) == 0
    text = capsys.readouterr()
    assert re.findall(r"^\S+", text.out, re.MULTILINE) == list(command.SIMILARITIES)
    assert "landscape.png" in text.err
    found = read_npz(tmp_path / "out" / "landscape.npz")
    assert (found.first.extent, found.second.extent) == (1.0, 40.0)
    # around what DICOM says
    assert np.abs(found.pose - read_pose(case.truth).numpy()).max() > 1


def test_distances_alone_need_no_similarity(case: Any, tmp_path: Path) -> None:
    assert main(arguments(case, tmp_path / "out", similarity=["se3", "so4", "so4-projected"])) == 0
    assert read_npz(tmp_path / "out" / "landscape.npz").names == ("se3", "so4", "so4-projected")


def test_a_bone_alone_is_compared_near_its_own_shadow(case: Any, tmp_path: Path) -> None:
    labels, names = (str(sample_path(f"pelvis_lumbar_3mm_labels.{end}")) for end in ("nii.gz", "json"))
    bone = {"labels": [labels], "label_names": [names], "bones": ["sacrum"], "similarity": ["local-ncc"]}
    assert main(arguments(case, tmp_path / "out", size=["128"], extent=["0.3", "30"], **bone)) == 0
    (values,) = read_npz(tmp_path / "out" / "landscape.npz").values
    assert np.unravel_index(values.argmin(), values.shape) == (2, 3)


@pytest.mark.skipif(find_spec("timm") is None, reason="timm comes with the extra 'learned'")
def test_a_model_refuses_another_ct(case: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = {"model": [str(sample_path("pelvis_lumbar_3mm_model.safetensors"))], "downsample": ["8"]}
    assert main(arguments(case, tmp_path / "out", similarity=["ncc", "learned"], **other)) == 2
    assert "trained for another CT" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    # nobody asks the model
    assert main(arguments(case, tmp_path / "out", similarity=["ncc"], **other)) == 0


def test_poses_out_of_the_beam_are_left_empty(case: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*arguments(case, tmp_path / "out", extent=["0.4", "900"], similarity=["tone-free"]), "--json"]) == 0
    numbers = json.loads(capsys.readouterr().out)["costs"]["tone-free"]
    assert 10 <= numbers["poses_without_value"] < 35
    assert numbers["minimum"]["at"]["tx"] == 0
    assert ",,\n" not in (tmp_path / "out" / "landscape.csv").read_text()
    assert "-0.4,-900.0,\n" in (tmp_path / "out" / "landscape.csv").read_text()


@pytest.mark.parametrize("earlier", [False, True])
def test_a_landscape_that_is_stopped_leaves_nothing_of_its_own(
    earlier: bool, case: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    if earlier:
        assert main(arguments(case, output)) == 0
    before = {file.name: file.read_bytes() for file in output.iterdir()} if earlier else {}
    batches = 0

    def interrupted(self: Survey) -> Any:
        nonlocal batches
        for progress in iterate(self):
            batches += 1
            yield progress
            raise KeyboardInterrupt

    iterate = Survey.__iter__
    monkeypatch.setattr(Survey, "__iter__", interrupted)
    assert main(arguments(case, output, steps=["9", "9"])) == 130
    assert batches == 1
    assert "stopped" in capsys.readouterr().err
    left = {file.name: file.read_bytes() for file in output.iterdir()} if output.exists() else {}
    assert left == before


BAD = {
    "an unknown parameter": ({"parameters": ["ry", "roll"]}, r"no pose parameter 'roll': choose two of rx"),
    "the same parameter twice": ({"parameters": ["ry", "ry"]}, r"two different parameters, not ry twice"),
    "one step": ({"steps": ["5", "1"]}, r"steps of tx is 1: give at least 3"),
    "a range of 0": ({"extent": ["0", "60"]}, r"extent of ry is 0\.0 rad"),
    "a range below 0": ({"extent": ["0.4", "-60"]}, r"extent of tx is -60\.0 mm"),
    "an unknown similarity": (
        {"similarity": ["ncc", "mi"]},
        r"no similarity 'mi': choose among tone-free.*so4-projected",
    ),
    "a size of 2": ({"size": ["2"]}, r"size is 2 pixels"),
    "no such CT": ({"ct": ["nowhere.nii.gz"]}, r"nowhere\.nii\.gz"),
    "two middles": ({"preset": ["AP"]}, r"--start_pose and --preset"),
    "a kernel that is not there": ({"kernel": ["opengl"]}, r"opengl"),
    "an output that is a file": ({"output": ["FILE"]}, r"is a file, where a folder"),
    "an output that cannot be made": ({"output": ["/proc/landscape"]}, r"Cannot write to the output folder /proc"),
}


@pytest.mark.parametrize("change", BAD)
def test_bad_input_gives_exit_code_2_a_message_and_no_files(
    change: str, case: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options, message = BAD[change]
    if options.get("output") == ["FILE"]:
        (tmp_path / "file").write_text("mine")
        options = {"output": [str(tmp_path / "file")]}
    assert main(arguments(case, tmp_path / "out", **options)) == 2
    errors = capsys.readouterr().err
    assert re.search(message, errors)
    assert "Traceback" not in errors
    assert {file.name for file in tmp_path.iterdir()} <= {"file"}


@pytest.mark.parametrize(
    "options",
    [["--steps", "5"], ["--extent", "1"], ["--extent", "1", "nan"], ["--extent", "inf", "1"], ["--parameters", "rx"]],
)
def test_two_parameters_need_two_numbers_of_everything(
    options: list[str], case: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["landscape", case.ct, case.xray, "-o", str(tmp_path / "out"), *options]) == 2
    assert options[0][2:] in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_middle_that_nobody_knows_is_asked_for(case: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import SimpleITK

    image = np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32)
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(image), str(tmp_path / "x.nrrd"))
    geometry = ["--sdd", "1200", "--spacing", "3.2", "3.2", "--output", str(tmp_path / "out")]
    assert main(["landscape", "--ct", case.ct, "--xray", str(tmp_path / "x.nrrd"), *geometry, "--quiet"]) == 2
    assert re.search(r"2 poses to look around.*--start_pose", capsys.readouterr().err)
    assert not (tmp_path / "out").exists()


def test_a_landscape_without_ct_in_the_beam_is_an_error(
    case: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    away = {"rig_from_world_ras_mm": [[1, 0, 0, 9e4], [0, 1, 0, 0], [0, 0, 1, 900], [0, 0, 0, 1]]}
    (tmp_path / "pose.json").write_text(json.dumps(away))
    assert main(arguments(case, tmp_path / "out", start_pose=[str(tmp_path / "pose.json")])) == 2
    assert "landscape of ncc is empty" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_help_names_every_similarity() -> None:
    text = command.landscape.__doc__ or ""
    for name in [*command.SIMILARITIES, *command.DISTANCES, *command.PARAMETERS]:
        assert name in text


class TestSimulatedXRays:
    def arguments(self, folder: Path, *more: str) -> list[str]:
        ct = str(sample_path("pelvis_lumbar_3mm.nii.gz"))
        chosen = ["--cases", "2", "--level", "mild", "--views", "ap", "--seed", "3"]
        grid = ["--parameters", "rx", "tx", "--steps", "5", "5", "--size", "32", "--similarity", "gradient-ncc", "se3"]
        return ["landscape", ct, "-o", str(folder), *chosen, *grid, "--device", "cpu", "--quiet", *more]

    def test_numbers_are_over_the_cases_around_their_truths_and_the_picture_is_the_first_one(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main([*self.arguments(tmp_path / "out"), "--json"]) == 0
        numbers = json.loads(capsys.readouterr().out)
        assert numbers["simulated"] == {"cases": 2, "suite": "capture", "level": "mild", "views": "ap", "seed": 3}
        assert list(numbers["costs"]) == ["gradient-ncc", "se3"]
        distance = numbers["costs"]["se3"]
        assert (distance["cases"], distance["one_minimum"], distance["minimum_off_mm"]) == (2, 1.0, 0.0)
        assert (distance["basin_rx"], distance["basin_tx"]) == (1.0, 40.0)
        made = simulated_cases(read_ct(sample_path("pelvis_lumbar_3mm.nii.gz")), SUITES["capture"], 2, 3)
        drawn = read_npz(tmp_path / "out" / "landscape.npz")
        np.testing.assert_array_equal(drawn.pose, made.cases[0].truth.numpy())
        assert {file.name for file in (tmp_path / "out").iterdir()} == FILES

    def test_without_json_there_is_a_line_for_each_cost(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(self.arguments(tmp_path / "out")) == 0
        first, second = capsys.readouterr().out.splitlines()
        assert first.startswith("gradient-ncc: one minimum in ")
        assert second == "se3: one minimum in 100 % (34 to 100), 0 mm off the truth; basin rx 1 rad (1 to 1); " + (
            "basin tx 40 mm (40 to 40)"
        )

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            (["--preset", "AP"], "leave --preset out"),
            (["--xray", "XRAY", "--sdd", "1000"], "leave --xray and --sdd out"),
            (["--seed=-1"], "seed is -1"),
            (["--cases", "0"], "cases is 0"),
        ],
    )
    def test_what_cannot_be_is_said(
        self, options: list[str], words: str, case: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        given = [case.xray if option == "XRAY" else option for option in options]
        assert main([*self.arguments(tmp_path / "out"), *given]) == 2
        assert words in capsys.readouterr().err

    def test_options_of_theirs_without_their_number_are_refused(
        self, case: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main([*arguments(case, tmp_path / "out"), "--level", "harsh"]) == 2
        assert "--level: of simulated X-rays, whose number --cases tells" in capsys.readouterr().err
        assert main(["landscape", case.ct, "-o", str(tmp_path / "out"), "--quiet"]) == 2
        assert "There is no X-ray" in capsys.readouterr().err
