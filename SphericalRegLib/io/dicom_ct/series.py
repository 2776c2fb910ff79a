"""A CT as a DICOM series: its files, found by what they say they are, as one checked volume."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom

from SphericalRegLib.errors import InputError
from SphericalRegLib.io.dicom.file import damage_named, is_dicom, read_dataset
from SphericalRegLib.io.dicom_ct.series_choice import LOCALIZER, DicomSeries, choose_series, kind_of_image
from SphericalRegLib.io.dicom_ct.slice_pixels import Values, read_values
from SphericalRegLib.io.dicom_ct.slice_stack import Stack, chosen_phase, stack
from SphericalRegLib.io.dicom_ct.slices import HEADER_TAGS, Slice, slices_of


@dataclass(frozen=True)
class Series:
    """The slices of one volume, placed and checked, not yet decoded.

    Attributes:
        volume: slices in order, with size and grid.
        notes: for the user.
    """

    volume: Stack
    notes: tuple[str, ...] = ()

    @property
    def size(self) -> tuple[int, int, int]:
        """Voxels along i, j, k."""
        return self.volume.size

    @property
    def world_from_voxel(self) -> np.ndarray:
        """(4, 4) float64 RAS mm."""
        return self.volume.world_from_voxel

    def read(self) -> Values:
        """The values after each slice's own rescale; errors as :func:`read_values`."""
        return read_values(self.volume.slices)


def find_series(path: Path, series: str | None = None, phase: str | None = None) -> Series:
    """The one CT in a folder (searched with its subfolders), or the one that a file belongs to.

    Args:
        path: folder, or a file of the series; the series' other files are looked for beside it.
        series: SeriesInstanceUID or its end, where there are several, or for what is no CT.
        phase: ``"Attribute=value"`` of the slices to use, where several volumes lie at one place.

    Raises:
        InputError: where there is no CT, or several; the message lists what there is.
        GeometryError: for slices that are tilted, unevenly spaced, missing or double.
    """
    # tags are converted where they are used: whatever is wrong with one is an error of this file
    with damage_named(path):
        return _find_series(path, series, phase)


def _find_series(path: Path, series: str | None, phase: str | None) -> Series:
    if os.path.isdir(path):
        everything = _scan(sorted(file for file in path.rglob("*") if file.is_file()))
        if not everything:
            raise InputError(f"{path} holds no DICOM slices (images with ImagePositionPatient): name the CT's folder.")
        chosen = choose_series(everything, path, series)
    else:
        chosen = _series_of_file(path, series)
    slices, notes = _images_of_volume(chosen, path)
    if phase is not None:
        slices = chosen_phase(slices, phase, str(path))
        notes = (*notes, f"of several volumes at one place, {phase} was read.")
    return Series(stack(slices, str(path)), notes)


def _series_of_file(path: Path, series: str | None) -> DicomSeries:
    """The series of one file; what is no CT must be named by its UID as well."""
    header = _header(path)
    own = DicomSeries(str(header.get("SeriesInstanceUID", "")), tuple(slices_of(path, header)))
    modality = str(header.get("Modality", "") or "no modality")
    if series is not None and not own.uid.endswith(series):
        raise InputError(f"{path} belongs to the series {own.uid}, not to series={series!r}: leave one of them out.")
    kind = kind_of_image(own.slices[0])
    if kind == LOCALIZER:
        raise InputError(
            f"{path} is the localizer (Image Type {'/'.join(sorted(own.slices[0].image_type))}), an overview picture: "
            "name the folder with the CT's slices, or one of them."
        )
    if "Rows" not in header or not own.slices[0].has_position:
        raise InputError(
            f"{path} is DICOM ({modality}) but no slice of a CT: it has no position in the patient "
            "(ImagePositionPatient), and slice thickness alone does not tell one. Name a file or folder of CT images."
        )
    if modality != "CT" and series is None:
        raise InputError(
            f"{path} is {modality}, not CT: its values are no Hounsfield units. Name the CT's folder, or to read this "
            f"all the same pass series={own.uid}."
        )
    everything = _scan(sorted(file for file in path.parent.iterdir() if file.is_file()))
    return next((one for one in everything.values() if (one.uid, one.modality) == (own.uid, own.modality)), own)


def _images_of_volume(chosen: DicomSeries, path: Path) -> tuple[list[Slice], tuple[str, ...]]:
    """The slices of a series without the localizers and second copies among them, and what to tell of it."""
    notes = []
    if chosen.modality != "CT":
        notes.append(f"its modality is {chosen.modality}, not CT: only a CT's values are Hounsfield units.")
    slices = [one for one in chosen.slices if kind_of_image(one) != LOCALIZER]
    if not slices:
        raise InputError(f"The series {chosen.uid} in {path} holds localizers only: choose the CT's series.")
    if len(slices) < len(chosen.slices):
        notes.append(f"{len(chosen.slices) - len(slices)} localizers in its series were left out.")
    kept = list({_instance(one): one for one in reversed(slices)}.values())[::-1]
    if len(kept) < len(slices):
        notes.append(f"{len(slices) - len(kept)} second copies of the same images were left out.")
    _check_concatenation(kept, path)
    return kept, tuple(notes)


def _instance(one: Slice) -> tuple[str, int, tuple[float, ...]]:
    """What two copies of an image have in common; the place too, as some software gives all slices one UID."""
    return str(one.header.get("SOPInstanceUID") or one.path), one.frame, tuple(one.position)


def _check_concatenation(slices: Sequence[Slice], path: Path) -> None:
    """Refuse a concatenation, one image in several files (PS3.3 C.7.6.16.2.2.4), some of whose parts are not there."""
    parts: dict[str, set[int]] = {}
    totals: dict[str, int] = {}
    for one in slices:
        uid, number = str(one.header.get("ConcatenationUID") or ""), one.header.get("InConcatenationNumber")
        if uid and number is not None:
            parts.setdefault(uid, set()).add(int(number))
            totals[uid] = max(totals.get(uid, 0), int(one.header.get("InConcatenationTotalNumber") or 0))
    for uid, numbers in parts.items():
        missing = sorted(set(range(1, max(totals[uid], *numbers) + 1)) - numbers)
        if missing:
            raise InputError(
                f"The CT in {path} is split over several files (ConcatenationUID {uid}), of which number "
                f"{', '.join(map(str, missing))} (InConcatenationNumber) is not there: put all of them into one folder."
            )


def _scan(files: list[Path]) -> dict[str, DicomSeries]:
    """The series among files, by UID; images of another modality under the same UID are a series of their own.

    A series has one modality (PS3.3 C.7.3.1.1.1), but some software gives everything that it exports one UID.
    """
    images: dict[tuple[str, str], list[Slice]] = {}
    for file in files:
        if not is_dicom(file):
            continue
        header = _header(file)
        if "Rows" in header:
            key = str(header.get("SeriesInstanceUID", "")), str(header.get("Modality") or "no modality")
            images.setdefault(key, []).extend(slices_of(file, header))
    shared = {uid for uid, _ in images if sum(uid == other for other, _ in images) > 1}
    return {
        f"{uid} ({modality})" if uid in shared else uid: DicomSeries(uid, tuple(slices))
        for (uid, modality), slices in images.items()
    }


def _header(file: Path) -> pydicom.Dataset:
    return read_dataset(file, pixels=False, tags=HEADER_TAGS)
