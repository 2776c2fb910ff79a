"""A multi-frame DICOM X-ray: one view, frames counted from 0, a C-arm that may move from frame to frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from SphericalRegLib.errors import GeometryError
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.view import View
from SphericalRegLib.imaging.xray import XRay
from SphericalRegLib.io.dicom.file import damage_named, read_dataset
from SphericalRegLib.io.xray import read_xray

# Degrees: a C-arm that moves less stands still.
_STILL_DEG = 0.05


@dataclass(frozen=True)
class DicomFrames:
    """Frames of a DICOM file; a :class:`FrameSource`.

    Where the file tells other angles for each frame, the rig is the camera of the first one, and others are turned
    against it about the isocenter: a body that does not move then keeps its pose while the C-arm turns.

    Attributes:
        path: of the file.
        view: its geometry, in place of what the file says; then the C-arm stands still.
        reading: keywords of :func:`~SphericalRegLib.io.xray.read_xray`.

    Raises:
        InputError: for a file that is no DICOM.
    """

    path: Path
    view: View | None = None
    reading: Mapping[str, Any] = field(default_factory=dict)
    _count: int = field(default=0, init=False, repr=False)
    _first: list[XRay] = field(default_factory=list, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        with damage_named(self.path):
            dataset = read_dataset(self.path, pixels=False, tags=["NumberOfFrames"])
            object.__setattr__(self, "_count", int(dataset.get("NumberOfFrames") or 1))

    @property
    def name(self) -> str:
        """Of the view."""
        return self.path.stem if self.view is None else self.view.name

    @property
    def numbers(self) -> Sequence[int]:
        """See :class:`FrameSource`."""
        return range(self._count)

    def read(self, number: int) -> XRay:
        """See :class:`FrameSource`.

        Raises:
            GeometryError: for a C-arm that moves and whose distance from the isocenter is not known.
        """
        xray = read_xray(self.path, self.view, frame=number, **self.reading)
        if self.view is not None or number == 0 or xray.start_angles is None:
            return xray
        if not self._first:
            # of all that it holds only the geometry is wanted: once
            self._first.append(read_xray(self.path, None, frame=0, **{**self.reading, "mask": "none"}))
        return replace(xray, view=_turned(xray, self._first[0]))


def _turned(xray: XRay, first: XRay) -> View:
    """A frame's view in the rig of the first frame's camera."""
    assert xray.start_angles is not None
    if first.start_angles is None:
        return xray.view
    apart = max(abs(a - b) for a, b in zip(xray.start_angles, first.start_angles, strict=True))
    if apart < _STILL_DEG and xray.view.sad == first.view.sad:
        return xray.view
    if xray.view.sad is None or first.view.sad is None:
        raise GeometryError(
            f"The C-arm of {xray.path} moves by {apart:.1f}°, and nothing tells how far its isocenter is from the "
            "source: give sad=, in mm."
        )
    assert xray.geometry is not None
    assert first.geometry is not None
    isocenter = torch.zeros(3, dtype=torch.float64)
    return replace(
        xray.view, camera_from_rig=xray.geometry.pose(isocenter) @ se3.inverse(first.geometry.pose(isocenter))
    )
