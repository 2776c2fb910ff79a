"""A command reads each of its files once, however many parts of it want to know what they hold."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch

from SphericalRegLib.cli.main import main
from SphericalRegLib.imaging.volume import to_volume
from SphericalRegLib.io.calibration_files import read_json
from SphericalRegLib.io.ct import read_ct
from SphericalRegLib.networks import model as models
from SphericalRegLib.sample import sample_path

PLACES = [(60, 30, 20), (-50, 40, -30), (10, -60, 40), (-20, 10, -60), (70, -20, -50)]
NAME = "pelvis_lumbar_3mm"
MODEL = str(sample_path(f"{NAME}_model.safetensors"))

# hooks stay for the life of a process: it counts only while there is a counter
_counters: list[Counter[str]] = []
sys.addaudithook(
    lambda event, arguments: (
        _counters[-1].update([str(arguments[0])]) if event == "open" and _counters and arguments else None
    )
)


@pytest.fixture
def opened() -> Iterator[Counter[str]]:
    """How often each file was opened by Python."""
    _counters.append(Counter())
    yield _counters[-1]
    _counters.pop()


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_landmarks_are_opened_once(kind: str, case: Any, tmp_path: Path, opened: Counter[str]) -> None:
    (view,), pose = read_json(case.truth)
    points = to_volume(read_ct(case.ct)).center + torch.tensor(PLACES, dtype=torch.float64)
    both = list(zip(points.tolist(), view.project(points, pose).tolist(), strict=True))
    file = tmp_path / f"landmarks.{kind}"
    if kind == "json":
        content = {f"p{n}": {"world_ras_mm": at, "pixel": seen} for n, (at, seen) in enumerate(both)}
        file.write_text(json.dumps(content))
    else:
        rows = [f"p{n},{','.join(map(str, [*at, *seen]))}" for n, (at, seen) in enumerate(both)]
        file.write_text("\n".join(["name,x,y,z,u,v", *rows]))
    opened.clear()
    options = ["--landmarks", str(file), "--candidates", "1", "--device", "cpu", "--quiet"]
    main(["register", case.ct, case.xray, "-o", str(tmp_path / "out"), *options])
    assert (tmp_path / "out" / "result.json").exists()
    assert opened[str(file)] == 1


@pytest.mark.skipif(find_spec("timm") is None, reason="timm comes with the extra 'learned'")
@pytest.mark.parametrize(
    "options",
    [
        ["register", "--labels", str(sample_path(f"{NAME}_labels.nii.gz")), "--bones", "3"],
        ["landscape", "--preset", "AP", "--steps", "3", "3", "--similarity", "learned", "ncc"],
        ["evaluate", "--cases", "1", "--system", "regressor-only", "model"],
    ],
    ids=lambda options: str(options[0]),
)
def test_a_model_is_loaded_once(
    options: list[str], case: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    loaded: list[Any] = []
    load = models.load_checkpoint
    monkeypatch.setattr(models, "load_checkpoint", lambda *given: loaded.append(given[0]) or load(*given))
    command, *rest = options
    inputs = [case.ct] if command == "evaluate" else [case.ct, case.xray, "-o", str(tmp_path / "out")]
    assert main([command, *inputs, *rest, "--model", MODEL, "--device", "cpu", "--quiet"]) in (0, 3, 4)
    capsys.readouterr()
    assert loaded == [MODEL]
