"""What is kept of frames that are done, so that whoever stops, or is stopped, loses nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor

from SphericalRegLib.errors import InputError
from SphericalRegLib.io.pose_file import read_pose
from SphericalRegLib.text_files import read_json_file
from SphericalRegLib.tracking.frame_record import as_record, from_record
from SphericalRegLib.tracking.track import FrameResult
from SphericalRegLib.whole_file import write_whole

_INPUTS, _START = "inputs.json", "start.json"


class TrackMemory(Protocol):
    """Results by frame and direction."""

    def recall(self, frame: int, direction: str) -> FrameResult | None:
        """What was kept, or None."""
        ...

    def keep(self, result: FrameResult, direction: str) -> None:
        """Keep it."""
        ...


class Forgetful:
    """Keeps nothing."""

    def recall(self, frame: int, direction: str) -> FrameResult | None:
        """See :class:`TrackMemory`."""
        return None

    def keep(self, result: FrameResult, direction: str) -> None:
        """See :class:`TrackMemory`."""


class FolderMemory:
    """One JSON file for each frame and direction in a folder, each written whole; all digits are kept.

    Args:
        folder: made if it is not there.
        inputs: all that results depend on; a folder of other inputs is refused.

    Raises:
        InputError: for a folder of other inputs, or one that cannot be written.
    """

    def __init__(self, folder: Path, inputs: Mapping[str, Any]) -> None:
        self._folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"The folder {folder} cannot be made ({error}): name another output.") from None
        place = folder / _INPUTS
        wanted = json.loads(json.dumps(inputs))
        if place.exists():
            kept = read_json_file(place)
            if kept != wanted:
                raise InputError(
                    f"{folder} holds frames of a track of other inputs ({_difference(kept, wanted)}): name another "
                    "output, or delete that folder to begin anew."
                )
        else:
            write_whole(place, json.dumps(wanted, indent=2) + "\n")

    def recall(self, frame: int, direction: str) -> FrameResult | None:
        """See :class:`TrackMemory`.

        Raises:
            InputError: for a file that is none of ours.
        """
        place = self._place(frame, direction)
        return from_record(read_json_file(place), str(place)) if place.exists() else None

    def keep(self, result: FrameResult, direction: str) -> None:
        """See :class:`TrackMemory`.

        Raises:
            InputError: where it cannot be written.
        """
        write_whole(self._place(result.frame, direction), json.dumps(as_record(result)) + "\n")

    def recall_start(self) -> Tensor | None:
        """(4, 4) from which all bodies started, where a former run has found it.

        Raises:
            InputError: for a file that is none of ours.
        """
        place = self._folder / _START
        return read_pose(place) if place.exists() else None

    def keep_start(self, pose: Tensor) -> None:
        """Keep where all bodies start from."""
        write_whole(self._folder / _START, json.dumps({"pose_rig_from_world_ras_mm": pose.tolist()}) + "\n")

    def _place(self, frame: int, direction: str) -> Path:
        return self._folder / f"{direction}_{frame:06d}.json"


def digest(*parts: bytes) -> str:
    """A short text that differs where the parts do."""
    total = hashlib.sha256()
    for part in parts:
        total.update(len(part).to_bytes(8, "little") + part)
    return total.hexdigest()[:16]


def _difference(kept: Any, wanted: Any) -> str:
    """In words, in which of their entries two tables differ."""
    if not isinstance(kept, dict):
        return "it is no table"
    names = [name for name in {**kept, **wanted} if kept.get(name) != wanted.get(name)]
    return ", ".join(names)
