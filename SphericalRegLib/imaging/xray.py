"""An X-ray as registration sees it: bright where dense, with its geometry and the pixels that count."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from SphericalRegLib.former_names import served
from SphericalRegLib.geometry.nominal import NominalGeometry
from SphericalRegLib.geometry.view import View


@dataclass(frozen=True)
class XRay:
    """One X-ray image.

    Attributes:
        image: (H, W) float32, bright = dense; a line integral up to scale and offset where it was an intensity.
        view: its projection geometry.
        mask: (H, W) bool, pixels that can be compared with a DRR: not collimated, not padding, not saturated, no
            opaque metal.
        start_angles: the C-arm's (primary, secondary) angles in degrees, where DICOM or the caller gave them.
        geometry: all that the DICOM header said; its ``pose(isocenter)`` is the C-arm's nominal pose.
        path: where it came from.
        frame: counted from 0.
        conversion: in words, how stored values became ``image``; for the report.
        notes: what the file says that is implausible or had to be guessed, with values and remedies; for the user.
    """

    image: np.ndarray
    view: View
    mask: np.ndarray
    start_angles: tuple[float, float] | None = None
    geometry: NominalGeometry | None = None
    path: str = ""
    frame: int = 0
    conversion: str = ""
    notes: tuple[str, ...] = ()


if not TYPE_CHECKING:  # which would take any name for one of this module's
    __getattr__ = served(__name__)
