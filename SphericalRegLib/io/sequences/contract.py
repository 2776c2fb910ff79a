"""What a sequence of X-rays is: frames by number, each with the views that have it, read when asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from SphericalRegLib.errors import InputError
from SphericalRegLib.imaging.xray import XRay


class FrameSource(Protocol):
    """The frames of one view."""

    @property
    def name(self) -> str:
        """Of the view."""
        ...

    @property
    def numbers(self) -> Sequence[int]:
        """Of its frames, increasing."""
        ...

    def read(self, number: int) -> XRay:
        """One frame.

        Raises:
            InputError, GeometryError: for a frame that cannot be read.
        """
        ...


@dataclass(frozen=True)
class XRaySequence:
    """Frames of one calibrated view or several; nothing is read before it is asked for, and nothing is kept.

    Attributes:
        sources: of the views.
        frames: numbers, increasing; by default all that some view has.

    Raises:
        InputError: without a view or a frame, or for a frame that no view has.
    """

    sources: tuple[FrameSource, ...]
    frames: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not self.sources:
            raise InputError("A sequence needs one view or several: name their files.")
        known = {number for source in self.sources for number in source.numbers}
        if not known:
            raise InputError(f"There is no frame in {', '.join(source.name for source in self.sources)}.")
        if not self.frames:
            object.__setattr__(self, "frames", tuple(sorted(known)))
        if missing := [frame for frame in self.frames if frame not in known]:
            raise InputError(
                f"There is no frame {missing[0]}: the frames run from {min(known)} to {max(known)}; choose among them."
            )

    def xrays(self, frame: int) -> list[XRay]:
        """The X-rays of a frame, of those views that have it.

        Raises:
            InputError, GeometryError: for a frame that cannot be read.
        """
        return [source.read(frame) for source in self.sources if frame in source.numbers]

    def between(self, first: int | None, last: int | None, step: int = 1) -> XRaySequence:
        """Every ``step``-th of the frames from ``first`` to ``last``, both included.

        Raises:
            InputError: for a step below 1, or where nothing is left.
        """
        if step < 1:
            raise InputError(f"The step between frames is {step}: give 1 or more.")
        low, high = (self.frames[0] if first is None else first), (self.frames[-1] if last is None else last)
        chosen = tuple(frame for frame in self.frames if low <= frame <= high)[::step]
        if not chosen:
            raise InputError(
                f"There is no frame from {low} to {high}: the frames run from {self.frames[0]} to {self.frames[-1]}."
            )
        return XRaySequence(self.sources, chosen)
