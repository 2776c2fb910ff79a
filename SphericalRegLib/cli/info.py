"""``sphericalreg info``: what a file holds and lacks, and what this machine can compute with."""

from __future__ import annotations

import json as json_text
from pathlib import Path
from typing import Any

import numpy as np
import pydicom

from SphericalRegLib.cli.console import Console
from SphericalRegLib.cli.device import available_devices
from SphericalRegLib.errors import GeometryError
from SphericalRegLib.evaluation.outcome import DISCLAIMER, versions
from SphericalRegLib.geometry.calibration_files import read_autoscoper, read_json
from SphericalRegLib.geometry.view import View
from SphericalRegLib.imaging.ct import CT, read_ct
from SphericalRegLib.imaging.ct_dicom import is_dicom
from SphericalRegLib.imaging.itk_io import read_header
from SphericalRegLib.imaging.labels import labels_present
from SphericalRegLib.imaging.xray import XRay, read_xray
from SphericalRegLib.rendering import KERNELS
from SphericalRegLib.text_files import existing_file

_MIB = 2**20


def info(
    file: list[str] | None = None,
    labels: str | None = None,
    label_names: str | None = None,
    frame: int | None = None,
    json: bool = False,
    quiet: bool = False,
    verbose: bool = False,
) -> int:
    """Tell what CTs, X-rays and calibrations hold and what is missing from them; without a file, about this machine.

    Research software, not a medical device.

    Args:
        file: CT (file or folder of a DICOM series), X-ray, or calibration; one or several.
        labels: label map of the CT.
        label_names: JSON file with the labels' names.
        frame: of a multi-frame X-ray, counted from 0.
        json: print JSON.
        quiet: nothing but the facts.
        verbose: more messages, and tracebacks.
    """
    console = Console(quiet, verbose)
    facts = (
        {path: describe(Path(path), labels, label_names, frame) for path in file} if file else {"machine": machine()}
    )
    if json:
        print(json_text.dumps(facts))
    else:
        for name, content in facts.items():
            print(name)
            width = max(len(key) for key in content)
            for key, value in content.items():
                print(f"  {key.replace('_', ' '):{width}}  {_shown(value)}")
        console.say(DISCLAIMER)
    return 0


def machine() -> dict[str, Any]:
    """Devices, kernels and versions."""
    kernels = {name: "CPU, parallel" if name == "numba" else "any device" for name in KERNELS}
    return {"devices": available_devices(), "kernels": kernels, "versions": versions()}


def describe(
    path: Path, labels: str | None = None, label_names: str | None = None, frame: int | None = None
) -> dict[str, Any]:
    """What one file is.

    Raises:
        InputError: for a file that is neither CT, X-ray nor calibration.
    """
    if path.is_dir():
        return _about_ct(read_ct(path, labels, label_names))
    if existing_file(path).suffix.lower() in (".json", ".txt"):
        views = read_json(path).views if path.suffix.lower() == ".json" else [read_autoscoper(path)]
        return {"kind": "calibration"} | {f"view_{i + 1}": _about_view(view) for i, view in enumerate(views)}
    if _is_ct(path):
        return _about_ct(read_ct(path, labels, label_names))
    try:
        return _about_xray(read_xray(path, frame=frame))
    except GeometryError as error:
        rows, columns = _picture_size(path)
        return {"kind": "X-ray", "rows": rows, "columns": columns, "missing": str(error)}


def _is_ct(path: Path) -> bool:
    if is_dicom(path):
        return str(pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["Modality"]).get("Modality")) == "CT"
    size = read_header(path).GetSize()
    return len(size) == 3 and size[2] > 1 and path.suffix.lower() not in (".tif", ".tiff", ".png")


def _picture_size(path: Path) -> tuple[int, int]:
    if is_dicom(path):
        header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["Rows", "Columns"])
        return int(header.get("Rows") or 0), int(header.get("Columns") or 0)
    size = read_header(path).GetSize()
    return int(size[1]), int(size[0])


def _about_ct(ct: CT) -> dict[str, Any]:
    size = np.array(ct.hu.shape[::-1])
    facts: dict[str, Any] = {
        "kind": "CT",
        "voxels_ijk": size.tolist(),
        "spacing_ijk_mm": ct.spacing.round(4).tolist(),
        "extent_ijk_mm": (size * ct.spacing).round(1).tolist(),
        "world_from_voxel_ras_mm": ct.world_from_voxel.round(4).tolist(),
        "lowest_and_highest_hu": [float(ct.hu.min()), float(ct.hu.max())],
        "memory_mib": round(ct.hu.nbytes / _MIB, 1),
    }
    if ct.labels is not None:
        facts["labels"] = {str(n): ct.label_names.get(n, "without a name") for n in labels_present(ct.labels)}
    return facts


def _about_view(view: View) -> dict[str, Any]:
    return {
        "rows_and_columns": [view.height, view.width],
        "spacing_row_column_mm": [round(s, 5) for s in view.spacing],
        "source_to_detector_mm": view.sdd,
        "source_to_isocenter_mm": view.sad,
        "principal_point_uv_px": [round(float(view.intrinsics[0, 2]), 3), round(float(view.intrinsics[1, 2]), 3)],
        "mirrored": view.mirrored,
    }


def _about_xray(xray: XRay) -> dict[str, Any]:
    missing = []
    if xray.start_angles is None:
        missing.append("C-arm angles (start with --preset, --angles, --landmarks or --start-pose)")
    if xray.view.sad is None:
        missing.append("source-to-isocenter distance (give --sad)")
    return {
        "kind": "X-ray",
        **_about_view(xray.view),
        "carm_primary_and_secondary_deg": list(xray.start_angles) if xray.start_angles else None,
        "frame": xray.frame,
        "values": xray.conversion,
        "usable_fraction": round(float(xray.mask.mean()), 4),
        "missing": "; ".join(missing) or "nothing",
    }


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_shown(item)}" for key, item in value.items())
    if isinstance(value, list) and value and isinstance(value[0], list):
        return " / ".join(_shown(row) for row in value)
    if isinstance(value, list):
        return " ".join(_shown(item) for item in value)
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
