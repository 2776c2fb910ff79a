"""A training as a job: steps that may end anywhere, and a model in its file. The command line runs it.

A panel runs the command as a child process (:mod:`~SphericalRegLib.app.jobs.child_process`) and reads the same steps from
its lines (:func:`~SphericalRegLib.app.models.training_news`).
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from SphericalRegLib.app.jobs.steps import Message
from SphericalRegLib.errors import InputError
from SphericalRegLib.imaging.ct import CT
from SphericalRegLib.networks.model import Model
from SphericalRegLib.training.curves import save_curves
from SphericalRegLib.training.plan import Plan
from SphericalRegLib.training.run import TrainingProgress, TrainingRun
from SphericalRegLib.training.validation import median


@dataclass(frozen=True)
class TrainingInputs:
    """All that a training needs, free of any user interface.

    Attributes:
        scans: one CT or several.
        plan: of the training.
        output: the model's file.
        folder: for checkpoints, log.csv and curves.png.
        device: that trains.
        start: a model whose weights to begin with, or None.
        held_out: X-rays to validate on.
        every: steps between validations and checkpoints.
        writes: whether this process keeps checkpoints and the log, and measures; of several, one does.
    """

    scans: Sequence[CT]
    plan: Plan
    output: str
    folder: Path
    device: str = "cpu"
    start: Model | None = None
    held_out: int = 24
    every: int = 500
    writes: bool = True


@dataclass(frozen=True)
class Trained:
    """What a training results in.

    Attributes:
        model: as it was saved.
        figures: its file, the file's bytes, {phase: seconds}, and of what was validated the medians over the X-rays.
    """

    model: Model
    figures: dict[str, Any]


class TrainingJob:
    """See :class:`~SphericalRegLib.app.jobs.job.Job`. Steps are those of ``TrainingRun``, and messages between them.

    To cancel it, close the iterator: what was done is kept, and the same inputs go on from there.

    Args:
        inputs: of the training.

    Attributes:
        problem: why the curves could not be drawn when it was closed; empty where they could.

    Raises:
        InputError, CheckpointError, GeometryError: as :class:`~SphericalRegLib.training.run.TrainingRun`.
    """

    def __init__(self, inputs: TrainingInputs) -> None:
        self._inputs = inputs
        self.problem = ""
        self._run = TrainingRun(
            inputs.scans,
            inputs.plan,
            inputs.folder,
            device=inputs.device,
            start=inputs.start,
            held_out=inputs.held_out if inputs.writes else 0,
            every=inputs.every,
            name=Path(inputs.output).stem,
            writes=inputs.writes,
        )

    def __iter__(self) -> Generator[TrainingProgress | Message, None, None]:
        if not self._run.folder.is_locked:
            place = self._inputs.folder
            yield Message(f"The file system of {place} has no locks: see that no second training uses it.")
        try:
            for at in self._run:
                yield at
                if at.validation_mm is not None and (problem := self._draw()):
                    yield Message(problem)
        except GeneratorExit:
            if self._inputs.writes:
                self._run.save()
                self.problem = self._draw()
            raise

    def result(self) -> Trained:
        """The model, validated and saved. Only a process that writes may ask.

        Raises:
            CheckpointError: where it cannot be written.
        """
        model, target = self._run.model(), Path(self._inputs.output)
        target.parent.mkdir(parents=True, exist_ok=True)
        model.save(target)
        self.problem = self._draw()
        history = model.card.history
        figures = {"model": self._inputs.output, "bytes": target.stat().st_size, "seconds": history["seconds"]}
        for name, values in history.get("validation", {}).items():
            figures[name] = median(values) if isinstance(values, list) else values
        return Trained(model, figures)

    def _draw(self) -> str:
        """The curves so far; a picture that fails must not cost the training, and is told."""
        try:
            save_curves(self._inputs.folder / "log.csv", self._inputs.folder / "curves.png")
        except InputError as error:
            return str(error)
        return ""
