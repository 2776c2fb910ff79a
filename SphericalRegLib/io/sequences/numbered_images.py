"""A folder of numbered pictures: one view, one picture a frame."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry.view import View
from SphericalRegLib.imaging.tone import Tone
from SphericalRegLib.imaging.xray import XRay
from SphericalRegLib.io.xray import read_xray

SUFFIXES = (".tif", ".tiff", ".png", ".jpg", ".jpeg", ".bmp")
_LAST_NUMBER = re.compile(r"(\d+)\D*$")


@dataclass(frozen=True)
class NumberedImages:
    """Pictures of a folder, each with the frame's number last in its name; a :class:`FrameSource`.

    Attributes:
        folder: that holds them.
        view: their geometry.
        intensity, mask: as of :func:`~SphericalRegLib.io.xray.read_xray`.

    Raises:
        InputError: for a folder that is not there or holds no numbered picture, or two with one number.
    """

    folder: Path
    view: View
    intensity: Literal["auto"] | Tone = "auto"
    mask: str = "auto"
    _files: dict[int, Path] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        if not self.folder.is_dir():
            raise InputError(f"{self.folder} is no folder: name one with the numbered pictures of one camera.")
        for file in sorted(self.folder.iterdir()):
            if file.suffix.lower() not in SUFFIXES or file.name.startswith("."):
                continue
            written = _LAST_NUMBER.search(file.stem)
            if written is None:
                raise InputError(f"{file} has no number in its name: rename it, or take it out of the folder.")
            number = int(written[1])
            if number in self._files:
                raise InputError(
                    f"{self._files[number].name} and {file.name} in {self.folder} are both frame {number}: keep the "
                    "pictures of one camera and one run in a folder."
                )
            self._files[number] = file
        if not self._files:
            raise InputError(f"{self.folder} holds no picture ({', '.join(SUFFIXES)}): name the folder of a camera.")

    @property
    def name(self) -> str:
        """Of the view."""
        return self.view.name

    @property
    def numbers(self) -> Sequence[int]:
        """See :class:`FrameSource`."""
        return sorted(self._files)

    def read(self, number: int) -> XRay:
        """See :class:`FrameSource`."""
        return read_xray(self._files[number], self.view, intensity=self.intensity, mask=self.mask)
