"""The commands that redo the paper's figures: each runs, and gives a picture and numbers."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "Benchmarks"))

import paper_ablation
import paper_backbones
import paper_optimizers

TUNED = ["--iterations", "2", "--tune", "--tuning-cases", "1", "--pixels", "32"]
COMMANDS: dict[str, tuple[Any, list[str], str, int]] = {
    "optimizers": (paper_optimizers, TUNED, "optimizers", 3),
    "ablation": (paper_ablation, ["--steps", "1", "--batch", "2", "--rows", "untrained", "hyperbolic"], "rows", 2),
    "backbones": (paper_backbones, ["--steps", "2", "--batch", "2", "--backbones", "posenet"], "backbones", 1),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_gives_a_picture_and_json(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    module, options, key, count = COMMANDS[name]
    threads = torch.get_num_threads()
    try:
        module.main([*options, "--cases", "1", "--json", "--picture", str(tmp_path / "figure.png")])
    finally:
        torch.set_num_threads(threads)
    assert len(json.loads(capsys.readouterr().out)[key]) == count
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")
    assert len(list(tmp_path.iterdir())) == 1
