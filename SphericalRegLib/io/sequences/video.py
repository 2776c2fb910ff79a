"""A film: one view, frames counted from 0."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np

from SphericalRegLib.errors import GeometryError, InputError
from SphericalRegLib.geometry.view import View
from SphericalRegLib.imaging.tone import Tone
from SphericalRegLib.imaging.xray import XRay
from SphericalRegLib.io.picture_size import check_picture_size
from SphericalRegLib.io.xray import xray_of_values
from SphericalRegLib.text_files import existing_file

SUFFIXES = (".avi", ".mp4", ".mov", ".mkv")
# Gray values, mean of the differences between channels.
_MOST_COLOR = 4.0


@dataclass(frozen=True)
class VideoFrames:
    """Frames of a film, gray or in color of which red, green and blue are the same; a :class:`FrameSource`.

    Attributes:
        path: AVI, MP4 and whatever OpenCV decodes.
        view: its geometry.
        intensity, mask: as of :func:`~SphericalRegLib.io.xray.read_xray`.

    Raises:
        InputError: for a file that OpenCV cannot decode.
        GeometryError: for a view of another size.
    """

    path: Path
    view: View
    intensity: Literal["auto"] | Tone = "auto"
    mask: str = "auto"
    _count: int = field(default=0, init=False, repr=False)

    def __post_init__(self) -> None:
        existing_file(self.path)
        with self._opened() as film:
            rows, columns = int(film.get(cv2.CAP_PROP_FRAME_HEIGHT)), int(film.get(cv2.CAP_PROP_FRAME_WIDTH))
            count = int(film.get(cv2.CAP_PROP_FRAME_COUNT))
        check_picture_size(rows, columns, self.path)
        if (rows, columns) != (self.view.height, self.view.width):
            raise GeometryError(
                f"{self.path} has {rows} rows and {columns} columns, its view {self.view.height} and "
                f"{self.view.width}: give the calibration of this film."
            )
        if count < 1:
            raise InputError(f"{self.path} does not tell how many frames it has: convert it to AVI or MP4.")
        object.__setattr__(self, "_count", count)

    @property
    def name(self) -> str:
        """Of the view."""
        return self.view.name

    @property
    def numbers(self) -> Sequence[int]:
        """See :class:`FrameSource`."""
        return range(self._count)

    def read(self, number: int) -> XRay:
        """See :class:`FrameSource`."""
        with self._opened() as film:
            film.set(cv2.CAP_PROP_POS_FRAMES, number)
            there, picture = film.read()
        if not there:
            raise InputError(f"Frame {number} of {self.path} cannot be decoded: leave it out, or convert the film.")
        spread = picture.max(axis=-1).astype(np.int16) - picture.min(axis=-1)
        # compression leaves a trace of color in gray pictures
        if float(spread.mean()) > _MOST_COLOR:
            raise InputError(f"{self.path} is in color: an X-ray has gray values. Export the original.")
        values = picture.mean(axis=-1).astype(np.float32)
        return xray_of_values(values, self.view, self.path, number, intensity=self.intensity, mask=self.mask)

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        film = cv2.VideoCapture(str(self.path))
        try:
            if not film.isOpened():
                raise InputError(f"{self.path} is no film that OpenCV decodes: convert it to AVI or MP4.")
            yield film
        finally:
            film.release()
