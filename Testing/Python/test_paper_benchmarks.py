"""The commands that redo the paper's figures: each runs, and measures what it says."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from SphericalRegLib.errors import InputError

sys.path.insert(0, str(Path(__file__).parents[1] / "Benchmarks"))

import paper_ablation
import paper_backbones
import paper_landscapes
import paper_optimizers
import paper_setting


class FakeWatch:
    seconds = 0.0


class TestTime:
    def test_the_rate_rises_and_falls_to_zero_with_time_whatever_the_step(self):
        watch = FakeWatch()
        timing = paper_setting.TimedSchedule(10**6, learning_rate=2.0, seconds=100.0, watch=watch)
        rates = []
        for watch.seconds in (0.0, 5.0, 52.5, 100.0, 1e4):
            rates.append(timing.rate(1))
        assert rates[0] < 0.1
        assert rates[1] == pytest.approx(2.0, rel=0.01)
        assert rates[2] == pytest.approx(1.0, rel=0.01)
        assert rates[3] == pytest.approx(0.0, abs=1e-6)
        assert rates[4] == rates[3]

    def test_pauses_do_not_count(self):
        watch = paper_setting.Stopwatch()
        with watch.pause():
            until = paper_setting.time.process_time() + 0.05
            while paper_setting.time.process_time() < until:
                pass
        assert watch.seconds < 0.04

    def test_errors_at_a_time_are_those_of_the_last_finished_iteration(self):
        paths = paper_optimizers.Paths(np.array([[9.0, 5.0, 1.0]]), np.array([[0.0, 1.0, 2.0]]))
        assert paths.at(np.array([0.0, 0.9, 1.0, 1.9, 2.0, 7.0])).tolist() == [[9, 9, 5, 5, 1, 1]]

    def test_the_plateau_begins_where_a_twentieth_of_the_descent_is_left(self):
        assert paper_optimizers.plateau(np.array([100.0, 50.0, 14.6, 14.4, 10.0, 10.0])) == 3
        assert paper_optimizers.plateau(np.array([3.0, 3.0])) == 0

    def test_paces_are_compared_on_cases_that_all_found(self):
        seconds = np.tile(np.arange(4.0), (2, 1))
        quick = paper_optimizers.Paths(np.array([[9.0, 1.0, 1.0, 1.0], [9.0, 1.0, 1.0, 1.0]]), seconds)
        slow = paper_optimizers.Paths(np.array([[9.0, 1.0, 9.0, 1.0], [9.0, 9.0, 9.0, 9.0]]), 2 * seconds)
        found = paper_optimizers.pace_where_all_found({"quick": quick, "slow": slow}, 5.0)
        assert (found["quick"]["cases"], found["quick"]["iterations"], found["quick"]["seconds"]) == (1, 1, 1)
        assert (found["slow"]["cases"], found["slow"]["iterations"], found["slow"]["seconds"]) == (1, 3, 6)


class TestResults:
    def test_rows_are_found_again_and_those_of_other_settings_refused(self, tmp_path):
        path = str(tmp_path / "rows.json")
        paper_ablation.Results(path, {"seconds": 1}).add("a", {"share": 0.5})
        assert paper_ablation.Results(path, {"seconds": 1}).rows == {"a": {"share": 0.5}}
        with pytest.raises(InputError, match="other settings"):
            paper_ablation.Results(path, {"seconds": 2})

    def test_a_row_is_set_against_the_base_case_by_case(self):
        row, base = ({"errors_mm": {"wide": errors}} for errors in ([1.0, 30.0, 30.0, 1.0], [30.0, 1.0, 30.0, 2.0]))
        assert paper_ablation.against_base(row, base, 20.0) == {"wide": [1, 1]}


COMMANDS = {
    "optimizers": (paper_optimizers, ["--iterations", "2", "--tuning-cases", "1", "--pixels", "32"], "optimizers", 3),
    "ablation": (paper_ablation, ["--steps", "1", "--batch", "2", "--rows", "untrained", "hyperbolic"], "rows", 2),
    "backbones": (paper_backbones, ["--steps", "2", "--batch", "2", "--backbones", "posenet"], "backbones", 1),
    "landscapes": (paper_landscapes, ["--steps", "5", "--pixels", "32"], "costs", 5),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_gives_a_picture_and_json(name, tmp_path, capsys):
    module, options, key, count = COMMANDS[name]
    threads = torch.get_num_threads()
    try:
        module.main([*options, "--cases", "1", "--json", "--picture", str(tmp_path / "figure.png")])
    finally:
        torch.set_num_threads(threads)
    assert len(json.loads(capsys.readouterr().out)[key]) == count
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")
    assert not list(tmp_path.glob("*.part"))
