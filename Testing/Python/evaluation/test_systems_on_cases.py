"""Systems on simulated cases: the commands' own systems, marks of landmarks, and one case by hand."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from SphericalRegLib.cli.commands import evaluate as command
from SphericalRegLib.cli.main import main
from SphericalRegLib.errors import CheckpointError, InputError
from SphericalRegLib.evaluation import metrics
from SphericalRegLib.evaluation.capture import compare_systems
from SphericalRegLib.evaluation.cases import bone_points, capture_view, draw_case, marked_landmarks, simulated_xray
from SphericalRegLib.evaluation.suites import SUITES
from SphericalRegLib.imaging.ct import CT
from SphericalRegLib.imaging.volume import to_volume
from SphericalRegLib.initialization import Case
from SphericalRegLib.io.ct import read_ct
from SphericalRegLib.networks.model import load_model
from SphericalRegLib.registration import SYSTEMS, System, default_system, register
from SphericalRegLib.sample import sample_path

NAME = "pelvis_lumbar_3mm"
FILES = [str(sample_path(f"{NAME}{end}")) for end in (".nii.gz", "_labels.nii.gz", "_labels.json")]
MODEL = str(sample_path(f"{NAME}_model.safetensors"))
CT_OPTIONS = ["--ct", FILES[0]]
BONE = ["--labels", FILES[1], "--label_names", FILES[2], "--bones", "sacrum"]


@pytest.fixture(scope="module")
def scan() -> CT:
    return read_ct(*FILES)


class TestMarks:
    def test_a_case_has_always_the_same_marks(self, scan: CT) -> None:
        view, points, center = capture_view(), bone_points(scan), to_volume(scan).center
        case = draw_case(4, 7, view, center)
        first, again = (marked_landmarks(case, points, view, 7) for _ in range(2))
        assert first == again
        assert marked_landmarks(case, points, view, 8) != first
        assert marked_landmarks(draw_case(5, 7, view, center), points, view, 7) != first

    def test_they_lie_within_the_picture_near_their_places_and_far_from_one_another(self, scan: CT) -> None:
        view, points, center = capture_view(), bone_points(scan), to_volume(scan).center
        off = []
        for index in range(20):
            case = draw_case(index, 0, view, center)
            marks = marked_landmarks(case, points, view, 0)
            at, seen = marks.points[0], marks.pixels[0]
            assert list(at) == list(seen) == [f"L{n}" for n in range(1, 9)]
            pixels, world = torch.tensor(list(seen.values())), torch.tensor(list(at.values()))
            assert bool(((pixels >= 0) & (pixels <= 255)).all())
            apart = torch.cdist(world, world) + 1e3 * torch.eye(8)
            assert float(apart.min()) > 20
            # of a mark's two errors both are in this distance: 1 mm in the CT, magnified, and 1.5 mm on the detector
            off.append((pixels - view.project(world, case.truth)) * 1.4)
        spread = float(torch.cat(off).std())
        assert 1.5 < spread < 2.6

    def test_where_few_points_are_seen_there_are_fewer(self, scan: CT) -> None:
        view, points, center = capture_view(), bone_points(scan), to_volume(scan).center
        case = draw_case(0, 0, view, center)
        assert len(marked_landmarks(case, points[:3], view, 0).points[0]) <= 3
        nothing = marked_landmarks(case, points + torch.tensor([5000.0, 0, 0]), view, 0)
        assert (nothing.points, nothing.pixels) == ([{}], [{}])


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("compared")
    outputs = ["--csv", str(folder / "rows.csv"), "--html", str(folder / "page.html")]
    chosen = ["--system", "start-only", "landmarks-only", "one-start", "--cases", "2", "--quiet"]
    with pytest.MonkeyPatch.context() as patch:
        printed: list[str] = []
        patch.setattr("builtins.print", lambda *words, **_: printed.append(" ".join(map(str, words))))
        mild = ["--level", "mild", "--views", "ap"]
        assert main(["evaluate", *CT_OPTIONS, *chosen, *mild, *outputs, "--json"]) == 0
    return folder, printed[-1]


class TestSeveral:
    def test_the_last_line_holds_figures_and_paired_tests(self, told: tuple[Path, str]) -> None:
        content = json.loads(told[1])
        assert list(content["systems"]) == ["start-only", "landmarks-only", "one-start"]
        tests = [(test["first"], test["second"]) for test in content["paired"]]
        assert tests == [("start-only", "landmarks-only"), ("start-only", "one-start")]
        start, marks = content["systems"]["start-only"], content["systems"]["landmarks-only"]
        assert start["median_mm"] == start["median_start_mm"]
        assert marks["median_mm"] < start["median_mm"]

    def test_every_case_has_a_row_for_each_system_and_the_page_its_plots(self, told: tuple[Path, str]) -> None:
        rows = list(csv.DictReader((told[0] / "rows.csv").open()))
        assert [row["index"] for row in rows] == ["0", "1"] * 3
        assert {row["system"] for row in rows} == {"start-only", "landmarks-only", "one-start"}
        page = (told[0] / "page.html").read_text()
        assert page.count("data:image/png;base64,") == 3
        assert f"capture study of {Path(FILES[0]).name}, seed 0" in page

    def test_a_system_is_measured_alike_alone_and_among_others(self, told: tuple[Path, str]) -> None:
        (alone,) = compare_systems(read_ct(FILES[0]), [SYSTEMS["landmarks-only"]], cases=1)["landmarks-only"].rows
        row = next(
            row
            for row in csv.DictReader((told[0] / "rows.csv").open())
            if (row["system"], row["index"]) == ("landmarks-only", "0")
        )
        assert float(row["mtre_mm"]) == alone.mtre_mm
        # its start is where the landmarks put it, not the suite's
        assert alone.start_mtre_mm == alone.mtre_mm

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            (["--system", "near", "near"], "names that differ, and are near, near"),
            (["--system", "magic"], "no system 'magic'"),
            (["--system", "model"], "needs a trained model: name one with --model"),
            (["--system", "start-only", "--similarity", "ncc"], "'start-only' has no stage"),
        ],
    )
    def test_what_cannot_be_compared_is_said(
        self, options: list[str], words: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["evaluate", *CT_OPTIONS, *options, "--cases", "1", "--quiet"]) == 2
        assert words in capsys.readouterr().err

    def test_there_is_something_to_compare(self, scan: CT) -> None:
        with pytest.raises(InputError, match="and are none"):
            compare_systems(scan, [], cases=1)
        with pytest.raises(CheckpointError, match="'regressor-only' needs a trained model"):
            compare_systems(scan, [SYSTEMS["regressor-only"]], cases=1)


@pytest.mark.parametrize("with_model", [False, True])
class TestBones:
    def test_evaluate_runs_what_register_runs(self, with_model: bool, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: dict[str, Any] = {}

        class Asked(Exception):  # noqa: N818
            pass

        def remember(scan: CT, systems: list[System], *_: Any, **options: Any) -> None:
            asked.update(options, systems=systems)
            raise Asked

        monkeypatch.setattr(command, "CaptureStudy", remember)
        model = ["--model", MODEL] if with_model else []
        with pytest.raises(Asked):
            command.evaluate(
                FILES[0], model=MODEL if model else None, labels=FILES[1], label_names=FILES[2], bones=["sacrum"]
            )
        assert asked["systems"] == [default_system(True, with_model)]
        assert (asked["labels"], asked["suite"].name) == (["sacrum"], "bones")
        assert (asked["model"] is not None) == with_model

    def test_a_row_is_the_registration_of_its_case(self, with_model: bool, scan: CT) -> None:
        system, view, suite = default_system(True, with_model), capture_view(), SUITES["bones"]
        model = load_model(MODEL) if with_model else None
        report = compare_systems(scan, [system], cases=1, seed=5, suite=suite, model=model, labels=["sacrum"])
        (row,) = report[system.name].rows
        bone, points = to_volume(scan, labels=["sacrum"]), bone_points(scan, ["sacrum"])
        case = draw_case(0, 5, view, bone.center, suite)
        xray = simulated_xray(case, scan, view)
        whole = to_volume(scan) if with_model else None
        result = register(Case(bone, [xray], whole, poses=case.start, model=model), system)
        assert row.mtre_mm == float(metrics.mtre(result.pose, case.truth, points))
        assert (row.cost, row.accepted) == (result.verdict_cost, result.verdict.accepted)
