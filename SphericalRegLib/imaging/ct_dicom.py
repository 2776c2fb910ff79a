"""A CT as a DICOM series: which files make up the volume, and where their slices lie."""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
import SimpleITK

from SphericalRegLib.errors import GeometryError, InputError
from SphericalRegLib.imaging import itk_io
from SphericalRegLib.imaging.dicom_file import read_dataset
from SphericalRegLib.imaging.grid import world_from_voxel
from SphericalRegLib.imaging.sent_pixels import check_dicom_pixels

_TAGS = [
    "SeriesInstanceUID",
    "SeriesDescription",
    "Modality",
    "NumberOfFrames",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "Rows",
    "Columns",
]
# A localizer that happens to be in the folder is not worth a question.
_SMALLEST_SHARE = 0.25
# Scanners round slice positions; a missing slice is a whole step.
_LARGEST_GAP_ERROR = 0.1
_LARGEST_TILT = 1e-3


@dataclass(frozen=True)
class Series:
    """The files of one volume in order of position along the slice normal, with its grid.

    Attributes:
        files: one a slice, or one for an enhanced multi-frame file.
        size: voxels along i, j, k.
        world_from_voxel: (4, 4) float64 RAS mm.
    """

    files: list[Path]
    size: tuple[int, int, int]
    world_from_voxel: np.ndarray

    def read(self) -> np.ndarray:
        """(K, J, I) float32 values after each slice's own rescale; GDCM decodes all common compressions.

        Raises:
            InputError: for truncated or damaged files.
        """
        if len(self.files) == 1:
            return itk_io.read_pixels(itk_io.read_header(self.files[0]))
        for file in self.files:
            check_dicom_pixels(file)
        reader = SimpleITK.ImageSeriesReader()
        reader.SetFileNames([str(file) for file in self.files])
        # Slices may have different slopes: the type of the first one must not decide.
        reader.SetOutputPixelType(SimpleITK.sitkFloat32)
        try:
            return SimpleITK.GetArrayFromImage(reader.Execute())
        except (RuntimeError, MemoryError) as error:
            reason = str(error).strip().splitlines()[-1]
            raise InputError(
                f"The DICOM series at {self.files[0].parent} cannot be read: a file is truncated, damaged "
                "or of another "
                f"size. ITK says: {reason}"
            ) from None


def is_dicom(path: Path) -> bool:
    """Whether a file has DICOM's magic bytes."""
    if not os.path.isfile(path):
        return False
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def find_series(path: Path, series: str | None = None) -> Series:
    """The one volume in a folder (searched with its subfolders), or the one that a file belongs to.

    Args:
        path: folder, or a file of the series.
        series: SeriesInstanceUID or its end, where there are several.

    Raises:
        InputError: where there is none, or several; the message lists them.
        GeometryError: for slices that are tilted, unevenly spaced, missing or double.
    """
    if path.is_dir():
        found = _scan(sorted(file for file in path.rglob("*") if file.is_file()))
        if not found:
            raise InputError(f"{path} holds no DICOM slices (files with ImagePositionPatient): name the CT's folder.")
        return _volume(_choose(found, path, series), path)
    header = read_dataset(path, pixels=False, tags=_TAGS)
    uid = str(header.get("SeriesInstanceUID", ""))
    if int(header.get("NumberOfFrames") or 1) > 1:
        return _enhanced(path)
    found = _scan(sorted(file for file in path.parent.iterdir() if file.is_file()))
    if uid not in found:
        raise InputError(
            f"{path} is DICOM ({header.get('Modality', 'no modality')}) but no slice of a CT: it has no "
            "position in the patient."
        )
    return _volume(found[uid], path)


def _scan(files: list[Path]) -> dict[str, list[tuple[Path, pydicom.Dataset]]]:
    """{SeriesInstanceUID: its slices}, of the files that are DICOM slices with a position or multi-frame files."""
    found: dict[str, list[tuple[Path, pydicom.Dataset]]] = defaultdict(list)
    for file in files:
        if not is_dicom(file):
            continue
        header = read_dataset(file, pixels=False, tags=_TAGS)
        if "ImagePositionPatient" in header or int(header.get("NumberOfFrames") or 1) > 1:
            found[str(header.get("SeriesInstanceUID", ""))].append((file, header))
    return dict(found)


def _choose(
    found: dict[str, list[tuple[Path, pydicom.Dataset]]], path: Path, series: str | None
) -> list[tuple[Path, pydicom.Dataset]]:
    listing = "\n".join(
        f"  {uid}: {_slices(slices)} slices, {slices[0][1].get('Modality', '?')}, "
        f"{slices[0][1].get('SeriesDescription', 'no description')}"
        for uid, slices in sorted(found.items(), key=lambda item: -_slices(item[1]))
    )
    if series is not None:
        chosen = [slices for uid, slices in found.items() if uid.endswith(series)]
        if len(chosen) != 1:
            raise InputError(f"series={series!r} names {len(chosen)} of the series in {path}:\n{listing}")
        return chosen[0]
    largest = max(_slices(slices) for slices in found.values())
    worth = [slices for slices in found.values() if _slices(slices) >= _SMALLEST_SHARE * largest]
    if len(worth) > 1:
        raise InputError(
            f"{path} holds {len(worth)} series: pass series= with the UID (or its end) of one of\n{listing}"
        )
    return worth[0]


def _slices(slices: list[tuple[Path, pydicom.Dataset]]) -> int:
    return sum(int(header.get("NumberOfFrames") or 1) for _, header in slices)


def _enhanced(path: Path) -> Series:
    """A multi-frame file (Enhanced CT), whose geometry GDCM reads from its functional groups."""
    reader = itk_io.read_header(path)
    size = tuple(int(n) for n in reader.GetSize())
    if len(size) != 3:
        raise InputError(f"{path} is {size} voxels: a CT needs three dimensions.")
    directions = np.array(reader.GetDirection()).reshape(3, 3)
    matrix = world_from_voxel(np.array(reader.GetSpacing()), directions, np.array(reader.GetOrigin()), str(path))
    return Series([path], size, matrix)


def _volume(slices: list[tuple[Path, pydicom.Dataset]], path: Path) -> Series:
    if len(slices) == 1 and int(slices[0][1].get("NumberOfFrames") or 1) > 1:
        return _enhanced(slices[0][0])
    if len(slices) < 2:
        raise InputError(
            f"{path} holds a single slice: a CT needs the whole series. Name the folder with all its slices."
        )
    first = slices[0][1]
    shared = {
        tag: np.array([_numbers(header, tag, file) for file, header in slices])
        for tag in ("ImageOrientationPatient", "PixelSpacing", "Rows", "Columns")
    }
    for tag, values in shared.items():
        if np.abs(values - values[0]).max() > 1e-3:
            raise GeometryError(
                f"The slices in {path} differ in {tag}: {values[0].tolist()} and "
                f"{values[np.abs(values - values[0]).max(axis=1).argmax()].tolist()}. Keep the files of one "
                "volume only."
            )
    row, column = np.split(shared["ImageOrientationPatient"][0], 2)
    normal = np.cross(row, column)
    positions = np.array([_numbers(header, "ImagePositionPatient", file) for file, header in slices])
    order = np.argsort(positions @ normal, kind="stable")
    positions = positions[order]
    step = (positions[-1] - positions[0]) / (len(slices) - 1)
    thickness = float(np.linalg.norm(step))
    _check_positions(positions @ normal, float(step @ normal), path)
    tilt = float(np.linalg.norm(np.cross(normal, step))) / thickness
    if tilt > _LARGEST_TILT:
        raise GeometryError(
            f"The series in {path} is sheared: its slices are stacked "
            f"{np.degrees(np.arcsin(min(tilt, 1))):.2f}° off their "
            "normal (a tilted gantry). Resample it to a rectangular grid first; in 3D Slicer, load it with "
            "'Acquisition "
            "geometry regularization'."
        )
    row_mm, column_mm = shared["PixelSpacing"][0]
    directions = np.stack([row, column, step / thickness], axis=1)
    matrix = world_from_voxel(np.array([column_mm, row_mm, thickness]), directions, positions[0], str(path))
    return Series([slices[n][0] for n in order], (int(first.Columns), int(first.Rows), len(slices)), matrix)


def _check_positions(along: np.ndarray, step: float, path: Path) -> None:
    """Raise for slices along the normal (mm, sorted) that are double, missing or unevenly spaced."""
    gaps = np.diff(along)
    if step < 1e-4 or gaps.min() < 1e-4:
        raise GeometryError(
            f"{int((gaps < 1e-4).sum())} slices in {path} lie where another one does (first at "
            f"{along[gaps.argmin()]:.3f} mm): "
            "the series holds several volumes (phases, reconstructions). Keep the files of one."
        )
    errors = np.abs(along - (along[0] + step * np.arange(len(along))))
    if errors.max() > _LARGEST_GAP_ERROR * step:
        worst = int(gaps.argmax())
        raise GeometryError(
            f"The slices in {path} are not evenly spaced: they are {np.median(gaps):.3f} mm apart as a rule and "
            f"{gaps[worst]:.3f} mm between {along[worst]:.3f} and {along[worst + 1]:.3f} mm. Add the "
            "missing slices, or "
            "resample the series."
        )


def _numbers(header: pydicom.Dataset, tag: str, file: Path) -> np.ndarray:
    value = header.get(tag)
    wanted = {"ImageOrientationPatient": 6, "PixelSpacing": 2, "ImagePositionPatient": 3}.get(tag, 1)
    numbers = np.atleast_1d(np.asarray(value if value is not None else [], dtype=float))
    if numbers.shape != (wanted,) or not np.isfinite(numbers).all():
        raise GeometryError(f"{file} has {tag} = {value}, where {wanted} numbers belong: it is no slice of a CT.")
    return numbers
