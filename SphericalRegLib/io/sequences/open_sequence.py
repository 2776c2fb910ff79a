"""From what a user names to a sequence: a folder of pictures, a film, or DICOM, one for each view."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry.view import View
from SphericalRegLib.io.dicom.file import is_dicom
from SphericalRegLib.io.sequences import numbered_images, video
from SphericalRegLib.io.sequences.contract import FrameSource, XRaySequence
from SphericalRegLib.io.sequences.dicom_frames import DicomFrames
from SphericalRegLib.io.sequences.numbered_images import NumberedImages
from SphericalRegLib.io.sequences.one_picture import OnePicture
from SphericalRegLib.io.sequences.video import VideoFrames
from SphericalRegLib.text_files import existing_file


def open_sequence(
    paths: Sequence[str | Path], views: Sequence[View] = (), reading: Mapping[str, Any] | None = None
) -> XRaySequence:
    """The sequence of one or several views.

    Args:
        paths: of each view a folder of numbered pictures, a film, a DICOM file, or one picture.
        views: their geometry, in the same order; may be empty for one DICOM file, which tells its own.
        reading: keywords of :func:`~SphericalRegLib.io.xray.read_xray` for all of them.

    Raises:
        InputError: for files that are no sequence, or views that are missing or too many.
    """
    if not paths:
        raise InputError("There is no sequence: name a folder of pictures, a film or a DICOM file for each view.")
    if views and len(views) != len(paths):
        raise InputError(f"There are {len(views)} views for {len(paths)} sequences: give one for each.")
    if not views and len(paths) > 1:
        raise InputError(
            f"There are {len(paths)} sequences, but nothing tells how their views lie to one another: give a "
            "calibration of all of them (view)."
        )
    given: Sequence[View | None] = views or [None] * len(paths)
    return XRaySequence(
        tuple(_source(Path(p), view, dict(reading or {})) for p, view in zip(paths, given, strict=True))
    )


def _source(path: Path, view: View | None, reading: dict[str, Any]) -> FrameSource:
    if not path.is_dir():
        existing_file(path)
        if is_dicom(path):
            return DicomFrames(path, view, reading)
    if view is None:
        raise InputError(f"{path} does not tell its geometry: give its calibration (view).")
    kept = {key: value for key, value in reading.items() if key in ("intensity", "mask")}
    if path.is_dir():
        return NumberedImages(path, view, **kept)
    if path.suffix.lower() in video.SUFFIXES:
        return VideoFrames(path, view, **kept)
    if path.suffix.lower() in numbered_images.SUFFIXES:
        return OnePicture(path, view, **kept)
    raise InputError(
        f"{path} is no sequence: give a folder of pictures ({', '.join(numbered_images.SUFFIXES)}), a film "
        f"({', '.join(video.SUFFIXES)}) or a DICOM file."
    )
