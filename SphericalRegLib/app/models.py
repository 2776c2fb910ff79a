"""Trained models and their training, as a panel sees them: the one place where it meets ``networks`` and ``training``.

Checkpoints are described by their headers, which are read without torch.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from SphericalRegLib import child_python
from SphericalRegLib.checkpoint_header import ForeignCheckpointError, check_card, read_header
from SphericalRegLib.errors import CheckpointError

_KIND = "model"


@dataclass(frozen=True)
class ModelFile:
    """What a model's file says of itself.

    Attributes:
        path: of the file.
        name: that the user gave it.
        created: date, ISO 8601.
        patient: for whom: one CT, by its size, or many.
        poses: in words, what it was trained for.
        parts: what it holds: regressor, moving, fixed.
        validation_mm: median error on held-out X-rays, where it was measured.
        one_ct: whether it is for one CT alone.
    """

    path: Path
    name: str
    created: str
    patient: str
    poses: str
    parts: tuple[str, ...]
    validation_mm: float | None = None
    one_ct: bool = False

    @property
    def text(self) -> str:
        """What it is for, in one paragraph."""
        told = {"regressor": "finds the start", "moving": "has a learned similarity"}
        can = " and ".join(words for part, words in told.items() if part in self.parts) or "holds nothing of use"
        measured = "" if self.validation_mm is None else f" Held-out X-rays: {self.validation_mm:.1f} mm (median)."
        return f"{self.name}: {can}. For {self.patient}; poses {self.poses}. Trained {self.created}.{measured}"


def read_model_file(path: str | Path) -> ModelFile:
    """What a file says of itself.

    Raises:
        CheckpointError: for a file that is no model of ours.
    """
    target = Path(path)
    try:
        header = read_header(target)
        if header["kind"] != _KIND:
            raise ForeignCheckpointError(f"it holds {header['kind'][:80]}")
        card, parts = check_card(header.get("card"), target.name), header.get("parts")
        if not isinstance(parts, dict):
            raise CheckpointError(f"its parts are {str(parts)[:80]}")
    except CheckpointError as error:
        raise type(error)(
            f"{target} is no model of SphericalReg ({error}): choose a .safetensors file that it has trained."
        ) from None
    poses, seen, history = card["truth"], card.get("fingerprint"), card.get("history", {})
    preset = str((history.get("plan") or {}).get("preset", "its nominal view"))[:80]
    return ModelFile(
        path=target,
        name=card["name"],
        created=card["created"],
        patient="many patients" if seen is None else f"one CT of {_millimeters(seen['size_mm'])}",
        poses=f"around {preset} ±{poses['rotation_deg']:g}°, ±{poses['in_plane_mm']:g} mm, "
        f"±{poses['depth_mm']:g} mm in depth",
        parts=tuple(parts),
        validation_mm=_last_validation(history),
        one_ct=seen is not None,
    )


class FoundModels(NamedTuple):
    """Models of some folders, by file name, and of each file that should be one why it cannot be used."""

    models: list[ModelFile]
    problems: list[str]


def find_models(folders: Iterable[str | Path]) -> FoundModels:
    """All models in some folders; files of other programs and checkpoints of trainings are passed over."""
    models, problems = [], []
    for folder in folders:
        try:
            paths = sorted(Path(folder).glob("*.safetensors"))
        except OSError as error:
            problems.append(f"The folder {folder} cannot be read ({error}): choose another one.")
            continue
        for path in paths:
            try:
                models.append(read_model_file(path))
            except ForeignCheckpointError:
                continue
            except CheckpointError as error:
                problems.append(str(error))
    return FoundModels(models, problems)


def training_arguments(
    python: str,
    ct: str,
    output: str,
    start: str | None = None,
    device: str = "auto",
    options: Mapping[str, str | float] | None = None,
) -> list[str]:
    """The command of a training as a child process: ``sphericalreg train --json``.

    Args:
        python: the interpreter.
        ct: file of the CT.
        output: the model to be written.
        start: a model to fine-tune.
        device: what computes.
        options: further ones of the command, such as ``{"preset": "PA", "sdd": 1000.0}``.
    """
    # by path: a launcher of another program's Python may set its own PYTHONPATH
    code = child_python.code("from SphericalRegLib.cli.main import main; sys.exit(main())")
    command = [python, "-c", code, "train", "--json", "--until_input_ends"]
    command += ["--ct", ct, "--output", output, "--device", device]
    command += [f"--{name}={value}" for name, value in (options or {}).items()]
    return command if start is None else [*command, "--start", start]


@dataclass(frozen=True)
class TrainingNews:
    """What lines of a training's output say.

    Attributes:
        done: share of the whole, 0 to 1; None where it was not told.
        losses: (phase, loss) in the order told.
        text: for the user; empty where there is nothing new.
    """

    done: float | None
    losses: tuple[tuple[str, float], ...]
    text: str


def training_news(lines: Sequence[str]) -> TrainingNews:
    """Read lines of a training's output: JSON objects of progress, and anything else as it is."""
    done, losses, text = None, [], ""
    for line in lines:
        content = _progress_of(line)
        if content is None:
            text = line.strip() or text
            continue
        done = float(content["done"])
        losses.append((str(content["phase"]), float(content["loss"])))
        text = f"{content['phase']}, step {content['step']} of {content['steps']}: loss {content['loss']:.3f}"
        if content.get("seconds_left") is not None:
            text += f", {content['seconds_left'] / 60:.0f} min left"
        if content.get("validation_mm") is not None:
            text += f"; held-out X-rays {content['validation_mm']:.1f} mm"
        if content.get("notice"):
            text += f". {content['notice']}"
    return TrainingNews(done, tuple(losses), text)


def _progress_of(line: str) -> Mapping[str, Any] | None:
    if not line.startswith("{"):
        return None
    try:
        content = json.loads(line)
    except ValueError:
        return None
    wanted = {"phase", "step", "steps", "loss", "done"}
    return content if isinstance(content, dict) and wanted <= set(content) else None


def _last_validation(history: Mapping[str, Any]) -> float | None:
    """The median error of the regressor, or where it has none of the alignment by its similarity."""
    measured = history.get("validation") or {}
    for values in (measured.get("regressed_mtre_mm"), measured.get("aligned_mtre_mm")):
        if isinstance(values, list) and values:
            ordered = sorted(float(v) for v in values)
            return (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2
    return None


def _millimeters(size: Sequence[float]) -> str:
    return " × ".join(f"{part:.0f}" for part in size) + " mm"
