"""Systems on the command line: listed, printed, named by file, and looked at as landscapes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from SphericalRegLib.cli.main import main
from SphericalRegLib.cli.reading.system_choice import chosen_system
from SphericalRegLib.imaging.volume import to_volume
from SphericalRegLib.io.ct import read_ct
from SphericalRegLib.io.pose_file import read_pose
from SphericalRegLib.io.xray import read_xray
from SphericalRegLib.landscape.files import read_npz
from SphericalRegLib.registration import SYSTEMS
from SphericalRegLib.registration.levels import Levels
from SphericalRegLib.registration.plain import as_plain


def test_all_are_listed_with_what_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["systems"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[: len(SYSTEMS)]] == list(SYSTEMS)
    for line, system in zip(lines, SYSTEMS.values(), strict=False):
        assert system.title in line
        assert ("(needs a model)" in line) == system.needs_model
    assert "bones-model or bones where bones are chosen" in lines[-1]


@pytest.mark.parametrize("name", ["near", "paper-so4", "bones-model"])
def test_one_is_printed_as_yaml_that_is_it(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["systems", "--name", name]) == 0
    text = capsys.readouterr().out
    (tmp_path / "a.yaml").write_text(text, encoding="utf-8")
    assert chosen_system(str(tmp_path / "a.yaml")) == SYSTEMS[name]


def test_a_system_that_is_none_is_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["systems", "--name", "magic"]) == 2
    assert "no system 'magic': choose from intensity" in capsys.readouterr().err


BAD = {
    "other.json": ("{}", r"other\.json holds no system: name the result\.json of a registration"),
    "list.json": ("[1]", r"list\.json holds no system"),
    "none.json": ('{"system": null}', r"The system in .*none\.json must have named parts, and is None"),
    "broken.json": ("{", r"broken\.json is not a JSON file"),
    "list.yaml": ("- 1", r"list\.yaml must have named parts"),
    "alias.yaml": ("name: &a x\ntitle: *a\n", r"alias\.yaml, line 2 repeats a part"),
    "tag.yaml": ("name: !!python/object/apply:os.getcwd []\n", r"tag\.yaml, line 1 has the tag"),
    "broken.yml": ("name: [", r"broken\.yml is no YAML"),
    "nan.yaml": ("retries: .nan\n", r"nan\.yaml, line 1 has the number \.nan"),
    "twice.yaml": ("name: a\nname: b\n", r"twice\.yaml, line 2 gives 'name' a second time"),
    "date.yaml": ("name: 2026-01-01\ntitle: x\njudge: {}\n", r"date\.yaml, name must be a text"),
}


@pytest.mark.parametrize("name", BAD)
def test_files_that_hold_none_are_named(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text, message = BAD[name]
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert main(["systems", "--name", str(tmp_path / name)]) == 2
    errors = capsys.readouterr().err
    assert re.search(message, errors)
    assert "Traceback" not in errors


def test_a_file_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("away.yaml", "away.json"):
        assert main(["systems", "--name", str(tmp_path / name)]) == 2
        assert name in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--system", "learned-first"], "'learned-first' needs a trained model: name one with --model"),
        (["--system", "bones-landmarks"], "no landmarks in the CT"),
        (["--system", "start-only"], "no pose to start from"),
        (["--system", "start-only", "--optimizer", "adam"], "'start-only' has no stage"),
    ],
)
def test_a_system_that_lacks_what_it_needs_says_so(
    options: list[str], words: str, case: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["register", "--ct", case.ct, "--xray", case.xray, "--output", str(tmp_path / "out"), "--quiet"]
    assert main([*arguments, *options]) == 2
    assert words in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_system_without_stages_leaves_the_pose_as_it_was_given(case: Any, tmp_path: Path) -> None:
    start = ["--start-pose", case.truth, "--system", "start-only", "--output", str(tmp_path / "out"), "--quiet"]
    # at the 64 pixels that are looked at, depth is hardly known
    assert main(["register", "--ct", case.ct, "--xray", case.xray, *start]) == 4
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    assert result["verdict"] == "accepted in the plane only"
    assert result["pose_rig_from_world_ras_mm"] == read_pose(case.truth).tolist()
    assert result["iterations"] == 0
    assert result["settings"]["stages"] == []
    assert "1 − R²" in result["cost_meaning"]
    assert "Accepted" in (tmp_path / "out" / "report.html").read_text()


def test_a_result_says_what_made_it_and_what_its_cost_means(case: Any, tmp_path: Path) -> None:
    made = ["--system", "near", "--similarity", "mutual-information", "--start-pose", case.truth]
    arguments = ["register", "--ct", case.ct, "--xray", case.xray, "--output", str(tmp_path / "out"), "--quiet"]
    assert main([*arguments, *made]) in (0, 3)
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    assert result["system"]["stages"][-1]["look"]["similarity"]["kind"] == "mutual-information"
    assert result["cost_meaning"].startswith("cost: 1 − I/H")
    assert "verdict_cost: 1 − R²" in result["cost_meaning"]


def test_a_limit_that_was_not_measured_is_a_caution_and_no_reason(case: Any, tmp_path: Path) -> None:
    content = as_plain(SYSTEMS["near"])
    content["judge"] = {"look": {"similarity": "ncc", "size": 64}, "limits": {"cost": None}}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    start = ["--start-pose", case.truth, "--system", str(tmp_path / "mine.yaml"), "--output", str(tmp_path / "out")]
    assert main(["register", "--ct", case.ct, "--xray", case.xray, *start, "--quiet"]) == 0
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    assert result["accepted"] is True
    assert result["cautions"] == ["Similarity was not judged: what right poses cost under NCC was not measured."]


def test_a_landscape_of_a_system_shows_what_its_stages_minimize(case: Any, tmp_path: Path) -> None:
    places = ["--ct", case.ct, "--xray", case.xray, "--start-pose", case.truth, "--output", str(tmp_path / "out")]
    shown = ["--system", "intensity", "--parameters", "rx", "tx", "--extent", "0.2", "20", "--steps", "3", "3"]
    assert main(["landscape", *places, *shown, "--quiet"]) == 0
    found = read_npz(tmp_path / "out" / "landscape.npz")
    system = SYSTEMS["intensity"]
    assert found.names == (
        "search 48: Local NCC",
        "align 64: Local NCC",
        "depth 64: Local NCC",
        "refine 160: Tone-free gradient",
    )
    volume, xray, pose = to_volume(read_ct(case.ct)), read_xray(case.xray), read_pose(case.truth)
    levels = Levels(volume, [xray], pose, 0.0, "auto")
    for values, stage in zip(found.values, system.stages, strict=True):
        objective = levels.objective(stage.look)
        # before robust weights are renewed: all that counts counts alike
        cost = objective.linearize(objective.state(torch.as_tensor(pose)[None])).cost
        assert values[1, 1] == pytest.approx(float(cost), rel=1e-4)
