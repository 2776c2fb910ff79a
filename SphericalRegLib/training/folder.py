"""What a training keeps on disk: its plan, its checkpoints, and a log of its steps."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from SphericalRegLib.errors import CheckpointError, InputError
from SphericalRegLib.training.folder_lock import FolderLock, lock_folder
from SphericalRegLib.whole_file import write_whole

LOG_FIELDS = ("phase", "step", "loss", "learning_rate", "seconds", "validation_mm")


class TrainingFolder:
    """The folder of one training.

    Args:
        path: made when it is opened.
        phases: of the training, by name.
        writes: whether anything is written; of several processes, one does.
    """

    def __init__(self, path: str | os.PathLike[str], phases: Sequence[str], writes: bool = True) -> None:
        self.path, self.writes = Path(path), writes
        self._phases = tuple(phases)
        self._lock: FolderLock | None = None

    def checkpoint(self, phase: str) -> Path:
        """The file of a phase's checkpoint."""
        return self.path / f"{phase}.safetensors"

    @property
    def is_locked(self) -> bool:
        """Whether no other process can train in it; True where this one writes nothing."""
        return not self.writes or (self._lock is not None and self._lock.held)

    def open(self, told: Mapping[str, Any]) -> None:
        """Make the folder, or see that it holds a run of the same plan. Until a step is kept, the plan may change.

        From here on the folder is this process's, as long as this object or another one of the folder lives in it.

        Args:
            told: "plan", with the schedules of its phases, and whatever else makes one training another, for JSON.

        Raises:
            CheckpointError: for a folder of another training, one in which another process trains, or one that cannot
                be used.
        """
        if not self.writes:
            return
        text, path = json.dumps(told, indent=1), self.path / "plan.json"
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = lock_folder(self.path)
            found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
            if found is None or not any(self.checkpoint(phase).exists() for phase in self._phases):
                write_whole(path, text)
                return
        except (OSError, ValueError) as error:
            raise CheckpointError(f"The training folder {self.path} cannot be used ({error}): name another.") from error
        here = json.loads(text)
        for plan in (here["plan"], found.get("plan") or {}):
            for phase in self._phases:
                # a training may go on with another one
                (plan.get(phase) or {}).pop("learning_rate", None)
        if different := [key for key in here if found.get(key) != here[key]]:
            raise CheckpointError(
                f"{self.path} holds another training (its {', '.join(different)} differ): name another folder, or "
                "delete it to begin anew."
            )

    @contextlib.contextmanager
    def log(self) -> Iterator[Any]:
        """A CSV writer at the end of the log, each line of which is kept at once; None where nothing is written.

        Raises:
            CheckpointError: where a line cannot be written.
        """
        if not self.writes:
            yield None
            return
        path = self.path / "log.csv"
        fresh = not path.exists()
        try:
            with path.open("a", encoding="utf-8", newline="", buffering=1) as file:
                writer = csv.writer(file, lineterminator="\n")
                if fresh:
                    writer.writerow(LOG_FIELDS)
                yield writer
        except OSError as error:
            raise self._unwritable(path, error) from error

    def resume_log(self, steps: Mapping[str, int]) -> dict[str, float]:
        """Seconds spent so far, by phase; lines after the last checkpoint are dropped: those steps are done again.

        Args:
            steps: of each phase that its checkpoint holds.

        Raises:
            CheckpointError: where it cannot be written.
        """
        seconds = dict.fromkeys(self._phases, 0.0)
        path = self.path / "log.csv"
        if not self.writes or not path.exists():
            return seconds
        try:
            with path.open(encoding="utf-8", errors="replace", newline="") as file:
                kept = [row for row in csv.DictReader(file) if _is_kept(row, steps)]
            for row in kept:
                seconds[row["phase"]] = float(row["seconds"])
            text = io.StringIO()
            writer = csv.DictWriter(text, LOG_FIELDS, lineterminator="\n", extrasaction="ignore")
            writer.writeheader()
            writer.writerows(kept)
            write_whole(path, text.getvalue())
        except (OSError, InputError) as error:
            raise self._unwritable(path, error) from error
        return seconds

    @staticmethod
    def _unwritable(path: Path, error: Exception) -> CheckpointError:
        return CheckpointError(
            f"The training log {path} cannot be written ({error}): free some space. Checkpoints are kept."
        )


def _is_kept(row: Mapping[str, str], steps: Mapping[str, int]) -> bool:
    """Whether a line is whole, for one may have been cut by a full disk, and of a step that a checkpoint holds."""
    try:
        float(row["loss"]), float(row["seconds"])
        return row["validation_mm"] is not None and int(row["step"]) <= steps.get(row["phase"], -1)
    except (TypeError, ValueError):
        return False
