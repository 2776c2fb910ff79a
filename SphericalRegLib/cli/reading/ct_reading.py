"""How a CT is read: options that every command with a CT has, documented once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from typing_extensions import TypedDict

from SphericalRegLib.cli.console import Console
from SphericalRegLib.imaging.ct import CT
from SphericalRegLib.io.ct import MAX_VOXELS, read_ct

# The options' names, and those of ``read_ct``.
_KEYWORDS = {
    "series": "series",
    "ct_spacing": "spacing",
    "ct_axes": "axes",
    "ct_affine": "nifti_affine",
    "ct_phase": "phase",
    "ct_rescale": "rescale",
    "ct_units": "units",
}


class CTReading(TypedDict, total=False):
    """How a CT is read.

    Args:
        series: SeriesInstanceUID or its end, where the CT's folder holds several.
        ct_spacing: voxel size of the CT along columns, rows and slices, mm, where its file does not tell (TIFF).
        ct_axes: of a CT whose file does not tell: the patient directions toward which columns, rows and slices lead;
            LPS for TIFF.
        ct_affine: of a NIfTI CT: which of its matrices counts, where they disagree.
        ct_phase: of a DICOM CT with several volumes at one place: attribute and value of the one to read, such as
            TemporalPositionIndex=2.
        ct_rescale: slope and intercept that turn the CT's values into HU, where its file does not say.
        ct_units: "hu" takes values for Hounsfield units that do not look like them.
        max_voxels: the most that a CT may have after downsampling.
    """

    series: str | None
    ct_spacing: tuple[float, float, float] | None
    ct_axes: str | None
    ct_affine: Literal["sform", "qform"] | None
    ct_phase: str | None
    ct_rescale: tuple[float, float] | None
    ct_units: Literal["auto", "hu"] | None
    max_voxels: int | None


def read_scan(
    path: str | Path,
    reading: Mapping[str, Any],
    labels: str | None = None,
    label_names: str | None = None,
    downsample: int = 1,
    console: Console | None = None,
) -> CT:
    """The CT as the options say; what the user should know of it is told on the console.

    Args:
        path: of the file or folder.
        reading: options of :class:`CTReading`; those that are absent or None keep ``read_ct``'s own.
        labels: label map.
        label_names: JSON file with the labels' names.
        downsample: average over that many voxels along each axis.
        console: to tell notes on; None tells none.

    Raises:
        InputError, GeometryError: as :func:`~SphericalRegLib.io.ct.read_ct`.
    """
    options = {_KEYWORDS[name]: value for name, value in reading.items() if name in _KEYWORDS and value is not None}
    most = reading.get("max_voxels")
    scan = read_ct(
        path, labels, label_names, MAX_VOXELS if most is None else most, downsample=downsample, **options
    )  # fmt: skip
    for note in scan.notes if console is not None else ():
        assert console is not None
        console.say(f"{Path(scan.path).name}: {note}")
    return scan
