"""A single picture as a sequence of one frame, 0."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from SphericalRegLib.geometry.view import View
from SphericalRegLib.imaging.tone import Tone
from SphericalRegLib.imaging.xray import XRay
from SphericalRegLib.io.xray import read_xray


@dataclass(frozen=True)
class OnePicture:
    """One file; a :class:`FrameSource`.

    Attributes:
        path: of the file.
        view: its geometry.
        intensity, mask: as of :func:`~SphericalRegLib.io.xray.read_xray`.
    """

    path: Path
    view: View
    intensity: Literal["auto"] | Tone = "auto"
    mask: str = "auto"

    @property
    def name(self) -> str:
        """Of the view."""
        return self.view.name

    @property
    def numbers(self) -> Sequence[int]:
        """See :class:`FrameSource`."""
        return (0,)

    def read(self, number: int) -> XRay:
        """See :class:`FrameSource`."""
        return read_xray(self.path, self.view, intensity=self.intensity, mask=self.mask)
