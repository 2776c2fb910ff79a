"""What ``sphericalreg info`` says of an X-ray: geometry with its sources, what the values are, what is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset

from SphericalRegLib.geometry.nominal import NominalGeometry
from SphericalRegLib.geometry.view import View
from SphericalRegLib.imaging.mask import estimate_mask
from SphericalRegLib.imaging.tone import to_attenuation
from SphericalRegLib.io.dicom import tags
from SphericalRegLib.io.dicom.file import damage_named
from SphericalRegLib.io.dicom.geometry import PartialGeometry, as_far_as_told
from SphericalRegLib.io.dicom.modality import described
from SphericalRegLib.io.dicom.xray import read_dicom_xray
from SphericalRegLib.io.xray import SENTENCES, TONE_UNTOLD
from SphericalRegLib.io.xray_file import read_picture

# Air in a CT.
_AIR_HU = -900.0
_NO_ANGLES = "The C-arm's angles: start with --preset, --angles, --landmarks or --start-pose."
_NO_SAD = "The source-to-isocenter distance: give --sad."


def about_view(view: View) -> dict[str, Any]:
    """Facts of a calibrated view."""
    return {
        "rows_and_columns": [view.height, view.width],
        "spacing_row_column_mm": [round(s, 5) for s in view.spacing],
        "source_to_detector_mm": round(view.sdd, 4),
        "source_to_isocenter_mm": None if view.sad is None else round(view.sad, 4),
        "principal_point_uv_px": [round(float(view.intrinsics[0, 2]), 3), round(float(view.intrinsics[1, 2]), 3)],
        "mirrored": view.mirrored,
    }


def about_dicom_xray(path: Path, header: Dataset, frame: int | None) -> dict[str, Any]:
    """Facts of a DICOM X-ray; of several frames the first stands for all where none is chosen.

    Raises:
        InputError: for damaged files and pixels that cannot be used.
    """
    count = tags.frame_count(header)
    source = read_dicom_xray(path, 0 if frame is None and count > 1 else frame)
    with damage_named(path):
        told = as_far_as_told(source.dataset, source.frame)
        facts: dict[str, Any] = {"kind": "X-ray", "modality": described(header), "pixels": _pixels(source.dataset)}
        if count > 1:
            facts |= {"frames": count, "frame": source.frame}
            facts["carm_angles_of_first_and_last_frame_deg"] = [_angles(source.dataset, n) for n in (0, count - 1)]
        else:
            facts["frame"] = 0
        facts |= _about_geometry(told, *source.values.shape[:2])
    image = to_attenuation(source.values, source.tone)
    notes = [*told.notes, *source.notes]
    if count > 1 and frame is None:
        notes.append(f"One of the {count} frames is registered: choose it with --frame 0 to --frame {count - 1}.")
    return facts | {
        "values": f"{SENTENCES[source.tone]} ({source.tone_reason})",
        "usable_fraction": round(float(estimate_mask(image, source.usable).mean()), 4),
        "notes": notes,
        "missing": " ".join(_missing(told)) or "nothing",
    }


def about_picture(path: Path, frame: int | None) -> dict[str, Any]:
    """Facts of a picture without tags (PNG, TIFF, NRRD, MHA).

    Raises:
        InputError: for unreadable files, color, and several pages of which none is chosen.
    """
    values, page = read_picture(path, frame, None)
    notes = []
    usable: float | None = None
    low, high = float(values.min()), float(values.max())
    if low <= _AIR_HU and (values == np.round(values)).all():
        notes.append(
            f"Its values, {low:g} to {high:g}, look like Hounsfield units: for a slice of a CT name the whole CT."
        )
    if len(np.unique(values)) <= 2:
        notes.append("The picture holds two values only: is it a drawn mask? Name the X-ray itself.")
    else:
        image = to_attenuation(values, "attenuation")
        usable = round(float(estimate_mask(image, np.ones(values.shape, bool)).mean()), 4)
    return {
        "kind": "X-ray",
        "kind_from": "as it holds pictures" if page else "as it holds a picture",
        "rows_and_columns": list(values.shape),
        "frame": page,
        "lowest_and_highest_value": [low, high],
        "values": f"{SENTENCES['attenuation']} ({TONE_UNTOLD}: see --intensity)",
        "usable_fraction": usable,
        "notes": notes,
        "missing": "The geometry, which such files do not hold: give a calibration with --view, or --sdd and "
        f"--spacing. {_NO_SAD} {_NO_ANGLES}",
    }


def _pixels(dataset: Dataset) -> str:
    signed = "signed" if int(dataset.get("PixelRepresentation") or 0) == 1 else "unsigned"
    bits = dataset.get("BitsStored") or dataset.get("BitsAllocated")
    photometric = tags.text(dataset, "PhotometricInterpretation") or "MONOCHROME2"
    return f"{bits} bits, {signed}, {photometric}, {dataset.file_meta.TransferSyntaxUID.name}"


def _angles(dataset: Dataset, frame: int) -> list[float | None] | None:
    geometry = as_far_as_told(dataset, frame).geometry
    return None if geometry is None else _rounded([geometry.primary_deg, geometry.secondary_deg])


def _about_geometry(told: PartialGeometry, rows: int, columns: int) -> dict[str, Any]:
    """Numbers with their sources; null where the header does not tell."""
    geometry = told.geometry
    if geometry is None or geometry.sources is None:
        return {"rows_and_columns": [rows, columns]}
    sources, view = geometry.sources, about_view(geometry.view)
    if told.sdd_missing:
        view |= {"source_to_detector_mm": None, "source_to_isocenter_mm": _sad_alone(geometry)}
    if told.spacing_missing:
        view |= {"spacing_row_column_mm": None, "principal_point_uv_px": None}
    angles = _rounded([geometry.primary_deg, geometry.secondary_deg])
    facts = view | {
        "carm_primary_and_secondary_deg": None if geometry.primary_deg is None else angles,
        "rotation_about_the_beam_deg": round(geometry.rotation_deg, 3),
        "spacing_row_column_from": sources.spacing,
        "source_to_detector_from": sources.sdd,
        "source_to_isocenter_from": sources.sad,
        "principal_point_uv_from": sources.principal_point,
        "mirrored_from": sources.display,
        "carm_primary_and_secondary_from": sources.angles,
    }
    unknown = {key for key, value in facts.items() if value is None}
    for key in unknown:
        facts[f"{_without_unit(key)}_from"] = ""
    return facts


def _sad_alone(geometry: NominalGeometry) -> float | None:
    """The source-to-isocenter distance where that to the detector is a stand-in, on which it must not depend."""
    depends = geometry.sources is None or "Magnification" in geometry.sources.sad
    return None if depends or geometry.view.sad is None else round(geometry.view.sad, 4)


def _missing(told: PartialGeometry) -> list[str]:
    missing = list(told.missing)
    if told.geometry is not None and told.geometry.primary_deg is None:
        missing.append(_NO_ANGLES)
    if told.geometry is not None and told.geometry.view.sad is None:
        missing.append(_NO_SAD)
    return missing


def _rounded(values: list[float | None]) -> list[float | None]:
    return [None if value is None else round(value, 4) for value in values]


def _without_unit(key: str) -> str:
    return key.rpartition("_")[0] if key.endswith(("_mm", "_px", "_deg")) else key
