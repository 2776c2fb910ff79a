"""What ``sphericalreg info`` says of any file: told apart by what is in it, never by guesswork alone."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK

from SphericalRegLib.cli.commands.describe_stack import guess, of_volume
from SphericalRegLib.cli.commands.describe_xray import about_dicom_xray, about_picture, about_view
from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry import carm
from SphericalRegLib.imaging.ct import CT
from SphericalRegLib.imaging.labels import labels_present
from SphericalRegLib.io.calibration_files import FORMAT, read_autoscoper, read_json
from SphericalRegLib.io.ct import read_ct
from SphericalRegLib.io.dicom.file import damage_named, is_dicom, read_dataset
from SphericalRegLib.io.dicom.modality import described, is_scout, kind_of
from SphericalRegLib.io.images.itk_io import TIFF_SUFFIXES, read_header, read_pixels
from SphericalRegLib.io.picture_size import check_picture_size
from SphericalRegLib.io.pose_file import read_pose
from SphericalRegLib.io.transform_file import TRANSFORM_SUFFIXES
from SphericalRegLib.networks.model import load_model
from SphericalRegLib.text_files import existing_file, read_json_file, read_text

_MIB = 2**20
_SURFACES = (".stl", ".ply", ".obj", ".vtk", ".vtp", ".off")
_LANDMARK_SUFFIXES = (".mrk.json", ".fcsv", ".csv")
_MOST_LABELS = 1000
# Of labeled voxels, the least part whose next one has the same label.
_SHARED = 0.4
_KINDS = {"CT": "CT", "X-ray": "frames of an X-ray", "unknown": "a CT or frames of an X-ray"}


def describe(path: Path, read: Callable[[Path], CT] = read_ct, frame: int | None = None) -> dict[str, Any]:
    """What one file or folder is, by name of the fact; "kind" says what it is.

    Args:
        path: of the file.
        read: how a CT is read.
        frame: of a multi-frame X-ray, from 0.

    Raises:
        InputError, CheckpointError: for files that cannot be read.
    """
    if os.path.isdir(path):  # a path that cannot be is the readers' to name
        return _about_ct(read(path))
    name = existing_file(path).name.lower()
    if is_dicom(path):
        with damage_named(path):
            return _about_dicom(path, read, frame)
    if name.endswith(_LANDMARK_SUFFIXES):
        return _about_landmarks(path)
    if name.endswith(".json"):
        return _about_json(path)
    if name.endswith(".safetensors"):
        return _about_model(path)
    if name.endswith(_SURFACES):
        return _not_read("surface", "Surfaces are not read: make a label map of them on the CT's grid (in 3D Slicer).")
    if name.endswith(".jts"):
        return _not_read("poses of JointTrack", "Poses of JointTrack are not read: give --start-pose as .tfm or JSON.")
    if name.endswith(".txt"):
        return _about_text(path)
    if name.endswith(TRANSFORM_SUFFIXES):
        return _about_pose(path)
    return _about_image(path, read, frame)


def _about_dicom(path: Path, read: Callable[[Path], CT], frame: int | None) -> dict[str, Any]:
    header = read_dataset(path, pixels=False)
    with damage_named(path):
        kind, words = kind_of(header), described(header)
        scout = is_scout(header)
    why = {"kind_from": "as its DICOM header says"}
    if kind == "CT":
        return {**_about_ct(read(path)), **why, "modality": words}
    if kind == "X-ray":
        return {**about_dicom_xray(path, header, frame), **why}
    if scout:
        return _not_read(words, "A scout is no slice of the CT, nor taken with a cone beam: name the CT's folder.")
    return _not_read(words, "It is not read: a registration takes a CT, and X-rays (XA, RF, CR, DX, RTIMAGE).")


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
        "notes": list(getattr(ct, "notes", ())),
    }
    if ct.labels is not None:
        facts["labels"] = {str(n): ct.label_names.get(n, "without a name") for n in labels_present(ct.labels)}
    return facts


def _about_image(path: Path, read: Callable[[Path], CT], frame: int | None) -> dict[str, Any]:
    """NRRD, NIfTI, MHA, PNG, TIFF: a picture, a CT, frames of an X-ray, or a label map."""
    header = read_header(path)
    size = header.GetSize()
    pages = int(np.prod(size[2:]))
    if pages == 1:
        return about_picture(path, frame)
    try:
        ct = read(path)
    except InputError as error:
        # one that cannot be read as a CT may be something else
        check_picture_size(size[1], size[0], path, pages)
        return _about_stack(path, header, frame, error)
    low, high = float(ct.hu.min()), float(ct.hu.max())
    return {**_about_ct(ct), "kind_from": f"as {of_volume(pages, tuple(ct.spacing), low, high)}"}


def _about_stack(
    path: Path, header: SimpleITK.ImageFileReader, frame: int | None, unread: InputError
) -> dict[str, Any]:
    """Several pictures in one file that cannot be read as a CT, with the error that says why."""
    values = read_pixels(header)
    spacing = tuple(round(float(s), 4) for s in header.GetSpacing())
    is_tiff = path.suffix.lower() in TIFF_SUFFIXES
    if not is_tiff and (labels := _labels_in(values)):
        return {
            "kind": "label map",
            "voxels_ijk": [int(n) for n in header.GetSize()],
            "spacing_ijk_mm": list(spacing),
            "labels": labels,
            "missing": "The CT that it belongs to: give both, --ct and --labels.",
        }
    if values.ndim != 3 or not np.isfinite(values).all():  # color, more than three dimensions, or damaged
        raise unread
    taken = guess(values, () if is_tiff else spacing)
    if taken.kind != "CT" and frame is not None:
        return {**about_picture(path, frame), "kind_from": f"as --frame is given, and {taken.reason}"}
    as_xray = "which frame, --frame, and its geometry, --view, or --sdd and --spacing."
    as_ct = (
        "its voxel size, --ct_spacing, its axes, --ct_axes, and where the values are not Hounsfield units --ct_rescale."
    )
    missing = {
        "CT": f"As the CT that it seems to be: {as_ct}" if is_tiff else "",
        "X-ray": f"As the X-ray that it seems to be: {as_xray}",
        "unknown": f"As a CT: {as_ct} As an X-ray: {as_xray}",
    }[taken.kind]
    facts = {
        "kind": _KINDS[taken.kind],
        "kind_from": f"as {taken.reason}",
        "rows_and_columns": list(values.shape[1:]),
        "pages": len(values),
        "lowest_and_highest_value": [float(values.min()), float(values.max())],
        "missing": missing,
    }
    if is_tiff or taken.kind == "X-ray":
        return facts
    return {**facts, "error": f"As a CT it is not read. {unread}"}


def _labels_in(values: np.ndarray) -> list[int]:
    """Labels above 0 of what can be a label map, otherwise none.

    That is few whole numbers from 0 in three dimensions, which their neighbors in a row mostly share: an image has
    noise.
    """
    numbers = np.unique(values)
    whole = values.ndim == 3 and numbers[0] == 0 and 2 <= len(numbers) <= _MOST_LABELS
    if not whole or (numbers != np.round(numbers)).any():
        return []
    labeled = values[..., :-1] > 0
    shared = (values[..., 1:] == values[..., :-1])[labeled]
    return [] if shared.size and shared.mean() < _SHARED else [int(n) for n in numbers[1:]]


def _about_json(path: Path) -> dict[str, Any]:
    content = read_json_file(path)
    if isinstance(content, dict) and content.get("format") == FORMAT:
        calibration = read_json(path)
        facts = {"kind": "calibration"} | {f"view_{n + 1}": about_view(v) for n, v in enumerate(calibration.views)}
        return facts if calibration.pose is None else facts | {"pose": "holds one, the rig's from the world"}
    if isinstance(content, dict) and "pose_rig_from_world_ras_mm" in content:
        return {
            "kind": "result of a registration",
            "accepted": content.get("accepted"),
            "xrays": [str(one.get("path")) for one in content.get("xrays") or [] if isinstance(one, dict)],
        } | _pose_facts(path)
    if isinstance(content, dict) and content and all(isinstance(v, str | int) for v in content.values()):
        return {"kind": "names of labels", "labels": {str(key): str(value) for key, value in content.items()}}
    if isinstance(content, dict) and content and all(isinstance(v, dict) for v in content.values()):
        return _about_landmarks(path)
    raise InputError(
        f"{path} is JSON, but no calibration, result, names of labels or landmarks: see the README for their formats."
    )


def _about_text(path: Path) -> dict[str, Any]:
    """Transforms of ITK, cameras of Autoscoper and of JointTrack all end in .txt."""
    first = read_text(path).lstrip()[:100]
    if first.startswith("#Insight Transform File"):
        return _about_pose(path)
    if first.startswith("JT_INTCALIB"):
        return _not_read(
            "calibration of JointTrack",
            "It is not read: its first number is --sdd, its last one --spacing (for rows and columns alike), in mm.",
        )
    return {"kind": "calibration", "view_1": about_view(read_autoscoper(path))}


def _about_pose(path: Path) -> dict[str, Any]:
    return {"kind": "pose"} | _pose_facts(path)


def _pose_facts(path: Path) -> dict[str, Any]:
    pose = read_pose(path)
    return {
        "rig_from_world_ras_mm": pose.numpy().round(6).tolist(),
        "carm_primary_secondary_rotation_deg": [round(angle, 4) for angle in carm.angles_from_pose(pose)],
    }


def _about_landmarks(path: Path) -> dict[str, Any]:
    """Names of landmarks; where they lie is read when they are used, since markups need their image."""
    if path.name.lower().endswith(".csv") or path.name.lower().endswith(".fcsv"):
        rows = [line for line in read_text(path).splitlines() if line.strip() and not line.startswith("#")]
        return {"kind": "landmarks", "lines": len(rows), "first_line": rows[0] if rows else None}
    content = read_json_file(path)
    try:
        if path.name.lower().endswith(".mrk.json"):
            points = [point for markup in content["markups"] for point in markup["controlPoints"]]
            systems = sorted({str(markup.get("coordinateSystem", "LPS")) for markup in content["markups"]})
            names = [str(point["label"]) for point in points]
            return {"kind": "landmarks of 3D Slicer", "coordinate_system": ", ".join(systems), "names": names}
        if all({"world_ras_mm", "pixel"} <= set(item) for item in content.values()):
            return {"kind": "landmarks", "names": [str(name) for name in content]}
    except (AttributeError, KeyError, TypeError) as error:
        raise InputError(f"{path} cannot be used as landmarks ({error!r}): save the points again.") from None
    raise InputError(f"{path} holds no landmarks: each needs world_ras_mm and pixel.")


def _about_model(path: Path) -> dict[str, Any]:
    model = load_model(path)
    card = model.card
    seen = card.fingerprint
    return {
        "kind": "trained model",
        "name": card.name,
        "created": card.created,
        "version": card.version,
        "finds_the_start": model.regressor is not None,
        "learned_similarity": model.learns_similarity,
        "trained_for": "many patients" if seen is None else "one CT",
        "ct_size_mm": None if seen is None else [round(float(n), 1) for n in seen.size_mm],
        "source_to_detector_mm": card.sdd,
        "source_to_isocenter_mm": card.sad,
        "poses_within": dict(card.truth),
        "starts_within": dict(card.reach),
    }


def _not_read(kind: str, problem: str) -> dict[str, Any]:
    return {"kind": kind, "missing": problem}
