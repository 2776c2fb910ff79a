"""A track as films: of each view its X-rays with the bodies' contours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from SphericalRegLib.errors import GeometryError, InputError
from SphericalRegLib.imaging.bodies import Body
from SphericalRegLib.io.sequences.contract import XRaySequence
from SphericalRegLib.reporting.track_overlay import overlay
from SphericalRegLib.tracking.track import FrameResult, Track

_LONGER = 640
_PER_SECOND = 10.0


def write_films(folder: Path, track: Track, sequence: XRaySequence, bodies: Sequence[Body]) -> Iterator[int]:
    """Write ``overlay_VIEW.mp4`` for each view; yields the frames' numbers, so that a caller may stop.

    A frame that cannot be read is a black picture, with its number like all others.

    Args:
        folder: that is there.
        track: of the sequence.
        sequence: that was tracked.
        bodies: of the track.

    Raises:
        InputError: where this OpenCV cannot write films.
    """
    writers: dict[str, cv2.VideoWriter] = {}
    sizes: dict[str, tuple[int, int]] = {}
    try:
        for result in track.frames:
            for source in sequence.sources:
                if result.frame not in source.numbers:
                    continue
                try:
                    picture = overlay(source.read(result.frame), bodies, result, _LONGER)
                except (InputError, GeometryError):
                    # the track says why: what cannot be read cannot be shown
                    if source.name not in sizes:
                        continue
                    picture = np.zeros((sizes[source.name][1], sizes[source.name][0], 3), np.uint8)
                if source.name not in writers:
                    sizes[source.name] = (picture.shape[1] // 2 * 2, picture.shape[0] // 2 * 2)
                    writers[source.name] = _writer(folder / f"overlay_{source.name}.mp4", sizes[source.name])
                writers[source.name].write(_labelled(picture, result, sizes[source.name]))
            yield result.frame
    finally:
        for writer in writers.values():
            writer.release()


def _writer(path: Path, size: tuple[int, int]) -> cv2.VideoWriter:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), _PER_SECOND, size)
    if not writer.isOpened():
        raise InputError("This OpenCV cannot write MP4 films: leave out --film, or install another build of it.")
    return writer


def _labelled(picture: NDArray[np.uint8], result: FrameResult, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Blue first, with the frame's number and whether it was tracked."""
    shown = np.ascontiguousarray(np.asarray(cv2.resize(picture, size), np.uint8)[..., ::-1])
    words = f"{result.frame}" + ("" if result.tracked else "  not tracked" if not result.bodies else "  doubtful")
    cv2.putText(shown, words, (8, 22), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (255, 255, 255), 1, cv2.LINE_AA)
    return shown
