"""A study's journal, engines and bars."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from SphericalRegLib.errors import DeviceError, InputError
from SphericalRegLib.evaluation.study.bars import Bars, improved_share, median_or_none
from SphericalRegLib.evaluation.study.engines import LocalEngine
from SphericalRegLib.evaluation.study.journal import Journal
from SphericalRegLib.evaluation.study.placed import PlacedRow
from SphericalRegLib.evaluation.study.ray_engine import RayEngine

ROW = PlacedRow(
    index=0,
    system="a",
    nominal="AP",
    occluded=False,
    part="",
    **dict.fromkeys(("rotation_deg", "in_plane_mm", "depth_mm", "mtre_diffpose", "mpe_mm", "mrpe_mm", "cost"), 0.3),
    start_mtre_mm=30.0,
    mtre_mm=0.5,
    depth_sd_mm=0.5,
    rotation_95_deg=0.5,
    plane_95_mm=0.5,
    depth_95_mm=float("inf"),
    accepted=True,
    verdict="accepted",
    reasons="",
    seconds=1.0,
    right_mm=0.1,
    anterior_mm=-0.1,
    superior_mm=0.2,
)


class TestJournal:
    def test_rows_come_back_infinite_values_too(self, tmp_path: Path) -> None:
        journal = Journal(tmp_path / "a.jsonl", {"seed": 1})
        rows = [replace(ROW, index=index, mtre_mm=0.1 * index) for index in (2, 0, 1)]
        for row in rows:
            journal.add(row)
        again = Journal(tmp_path / "a.jsonl", {"seed": 1})
        assert again.first(3) == tuple(sorted(rows, key=lambda row: row.index))
        assert again.first(2) == (rows[1], rows[2])

    def test_a_line_that_was_cut_is_lost_and_no_other(self, tmp_path: Path) -> None:
        path = tmp_path / "a.jsonl"
        journal = Journal(path, {})
        journal.add(ROW)
        journal.add(replace(ROW, index=1))
        whole = path.read_text()
        for cut in range(whole.index("\n", whole.index("\n") + 1) + 2, len(whole)):
            path.write_text(whole[:cut])
            again = Journal(path, {})
            assert list(again.rows) == [0]
        again.add(replace(ROW, index=1))
        assert path.read_text() == whole

    def test_other_settings_are_refused(self, tmp_path: Path) -> None:
        Journal(tmp_path / "a.jsonl", {"seed": 1})
        with pytest.raises(InputError, match="holds cases of other settings"):
            Journal(tmp_path / "a.jsonl", {"seed": 2})

    def test_a_line_that_is_no_case_is_named(self, tmp_path: Path) -> None:
        path = tmp_path / "a.jsonl"
        Journal(path, {})
        with path.open("a") as file:
            file.write('{"index": 3}\n')
        with pytest.raises(InputError, match="line 2 is no case of a study"):
            Journal(path, {})


def squared(shared: int, item: int) -> int:
    return shared * item**2


def failing(shared: int, item: int) -> int:
    raise InputError(f"item {item} cannot be")


def slow_first(shared: str, item: int) -> int:
    """The first item waits until the others are known to be done."""
    mark = Path(shared)
    if item == 0:
        deadline = time.monotonic() + 120
        while not mark.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
    return item


class TestLocalEngine:
    @pytest.mark.parametrize("workers", [1, 2])
    def test_gives_every_items_result(self, workers: int) -> None:
        assert dict(LocalEngine(workers).run(squared, 2, [3, 5, 7])) == {0: 18, 1: 50, 2: 98}

    @pytest.mark.parametrize("workers", [1, 2])
    def test_raises_what_the_work_raised(self, workers: int) -> None:
        with pytest.raises(InputError, match="item 4 cannot be"):
            list(LocalEngine(workers).run(failing, 0, [4]))

    def test_a_slow_item_keeps_no_other_waiting(self, tmp_path: Path) -> None:
        """What is done must be told, so that it can be kept: a kill then costs what is at work and no more."""
        mark, order = tmp_path / "go", []
        for number, _ in LocalEngine(2).run(slow_first, str(mark), [0, 1, 2, 3]):
            order.append(number)
            if len(order) == 3:
                mark.write_text("")
        assert order[-1] == 0
        assert sorted(order) == [0, 1, 2, 3]

    def test_nothing_to_do_starts_nothing(self) -> None:
        assert list(LocalEngine(2).run(squared, 0, [])) == []

    def test_less_than_one_worker_is_refused(self) -> None:
        with pytest.raises(InputError, match="workers is 0"):
            LocalEngine(0)


class TestRayEngine:
    def test_numbers_that_are_none_are_refused(self) -> None:
        with pytest.raises(InputError, match="shard=0"):
            RayEngine(shard=0)

    def test_without_ray_it_says_what_to_install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(__import__("sys").modules, "ray", None)
        with pytest.raises(DeviceError, match=r"pip install \"sphericalreg\[distributed\]\""):
            list(RayEngine().run(squared, 1, [1]))


class TestBars:
    GOOD = Bars({"encoders": (3.0, 0.9)}, 40.0, 0.5, 0.8)

    def test_a_row_that_clears_them_all_has_no_failure(self) -> None:
        assert self.GOOD.failures() == ()
        assert Bars({}, None, None, None).failures() == ()

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"losses": {"encoders": (3.0, 1.1)}}, "the loss of its encoders went from 3 to 1.1"),
            ({"losses": {"encoders": (3.0, float("nan"))}}, "the loss of its encoders"),
            ({"angle_deg": 75.0}, "its gradient is 75° off the way to the truth"),
            ({"drift_mm": 2.5}, "from the truth itself it ends 2.5 mm off"),
            ({"improved": 0.5}, "50 % of the cases end nearer"),
        ],
    )
    def test_each_bar_says_what_was_wanted(self, changes: dict, words: str) -> None:
        (failure,) = replace(self.GOOD, **changes).failures()
        assert failure.startswith(words)
        assert "wanted" in failure

    def test_shares_and_medians(self) -> None:
        assert improved_share([ROW, replace(ROW, mtre_mm=31.0)]) == 0.5
        assert median_or_none([None, 3.0, 1.0]) == 2.0
        assert median_or_none([None]) is None
