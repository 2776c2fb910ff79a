"""The values of DICOM slices: decoded as stored, then each slice's own rescale; padding becomes air."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.pixels import apply_modality_lut

from SphericalRegLib.errors import InputError
from SphericalRegLib.imaging.hounsfield import LOWEST_HU
from SphericalRegLib.io.dicom import tags
from SphericalRegLib.io.dicom.file import damage_named, read_dataset
from SphericalRegLib.io.dicom.pixels import stored_values
from SphericalRegLib.io.dicom.sent_pixels import check_sent_pixels
from SphericalRegLib.io.dicom_ct.slices import Slice

# Rescale Type (PS3.3 C.11.1.1.2): unspecified, and the ways in which Hounsfield units are spelled.
_HU_TYPES = ("", "US", "HU", "HU_MOD")
# UCUM's code of Hounsfield units in a Real World Value Map (PS3.3 C.7.6.16.2.11).
_UCUM_HU = "[HNSF'U]"


@dataclass(frozen=True)
class Values:
    """Values of a volume.

    Attributes:
        array: (K, J, I) float32; padding is -1024.
        padding: (K, J, I) bool, or None where no voxel is padding.
        not_hu: what the file calls its values where these are no Hounsfield units, otherwise "".
        notes: for the user.
    """

    array: np.ndarray
    padding: np.ndarray | None
    not_hu: str
    notes: tuple[str, ...]


def read_values(slices: Sequence[Slice]) -> Values:
    """Decode slices, in the order given.

    Raises:
        InputError: for truncated or damaged files, other bits or colors than a CT has, and rescales that are no number.
    """
    rows, columns = (int(n) for n in slices[0].size)
    array = np.empty((len(slices), rows, columns), np.float32)
    padding: np.ndarray | None = None
    files: dict[Path, _File] = {}
    notes: dict[str, None] = {}
    not_hu = ""
    for k, one in enumerate(slices):
        if one.path not in files:
            files.clear()  # one open file at a time: frames of a file mostly follow one another
            files[one.path] = _File(one.path)
        file = files[one.path]
        with damage_named(one.path):
            stored = file.frame(one.frame)
            if stored.shape != (rows, columns):
                raise InputError(f"{one.name} decodes to {stored.shape} pixels, where {(rows, columns)} are announced.")
            scale = _scale(file.dataset, one)
            array[k] = scale.apply(stored)
            outside = _padding(file.dataset, stored)
        not_hu = not_hu or scale.unit
        if scale.note:
            notes[scale.note] = None
        if outside is not None and outside.any():
            padding = np.zeros(array.shape, bool) if padding is None else padding
            padding[k] = outside
            array[k][outside] = LOWEST_HU
    return Values(array, padding, not_hu, tuple(notes))


class _File:
    """One DICOM file with its pixels, whose frames are decoded one by one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with damage_named(path):
            self.dataset = read_dataset(path)
            self._compressed: list[bytes] | None = None
            if "PixelData" not in self.dataset:
                raise InputError(f"{path} is DICOM without integer pixels (PixelData): export it again as a CT.")
            check_sent_pixels(self.dataset, path)
            if int(self.dataset.get("SamplesPerPixel") or 1) != 1:
                raise InputError(f"{path} is a color image: a CT has gray values. Is it a screenshot?")
            syntax = self.dataset.file_meta.get("TransferSyntaxUID")
            count = tags.frame_count(self.dataset)
            if syntax is not None and syntax.is_encapsulated and count > 1:
                self._compressed = list(generate_frames(self.dataset.PixelData, number_of_frames=count))
                if len(self._compressed) != count:
                    raise InputError(
                        f"{path} is truncated or damaged: it announces {count} frames and holds "
                        f"{len(self._compressed)}. Copy or export it again."
                    )

    def frame(self, number: int) -> np.ndarray:
        """(rows, columns) integers as stored."""
        try:
            if self._compressed is None:
                return stored_values(self.dataset, self.path, number)
            return stored_values(self._alone(number), self.path, 0)
        except InputError as error:
            raise InputError(f"{self.path} is truncated, damaged or of a kind that is not read. {error}") from error

    def _alone(self, number: int) -> Dataset:
        """A dataset that holds one compressed frame: decoding a file whole for each of its frames takes too long."""
        assert self._compressed is not None
        alone = Dataset()
        for keyword in ("SOPClassUID", "SOPInstanceUID", "Modality", "Rows", "Columns", "SamplesPerPixel"):
            if keyword in self.dataset:
                alone[keyword] = self.dataset[keyword]
        for keyword in ("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "PhotometricInterpretation"):
            if keyword in self.dataset:
                alone[keyword] = self.dataset[keyword]
        alone.NumberOfFrames = 1
        alone.PixelData = encapsulate([self._compressed[number]])
        alone["PixelData"].is_undefined_length = True
        alone.file_meta = self.dataset.file_meta
        return alone


@dataclass(frozen=True)
class _Scale:
    """How stored values become those that the file means: a line or, in ``table``, a dataset with a modality LUT."""

    slope: float = 1.0
    intercept: float = 0.0
    unit: str = ""
    note: str = ""
    table: Dataset | None = None

    def apply(self, stored: np.ndarray) -> np.ndarray:
        if self.table is not None:
            return np.asarray(apply_modality_lut(stored, self.table), np.float32)
        # float32 holds every stored value of 16 bits; the sum is rounded once
        return (stored * self.slope + self.intercept).astype(np.float32)


def _scale(dataset: Dataset, one: Slice) -> _Scale:
    """A frame's rescale, from the place that the standard gives precedence (PS3.3 C.11.1, C.7.6.16.2.9)."""
    slope = tags.number(dataset, "RescaleSlope", one.frame)
    intercept = tags.number(dataset, "RescaleIntercept", one.frame)
    kind = tags.text(dataset, "RescaleType", one.frame)
    unit = "" if kind in _HU_TYPES else f"{tags.named('RescaleType')} {kind}"
    if slope is not None or intercept is not None:
        slope, intercept = 1.0 if slope is None else slope, 0.0 if intercept is None else intercept
        if slope <= 0:
            raise InputError(
                f"{one.name} has {tags.named('RescaleSlope')} {slope:g}, but denser tissue has higher Hounsfield "
                "units: export the series again."
            )
        return _Scale(slope, intercept, unit)
    if dataset.get("ModalityLUTSequence"):
        lut_type = tags.text(dataset.ModalityLUTSequence[0], "ModalityLUTType")
        unit = "" if lut_type in _HU_TYPES else f"{tags.named('ModalityLUTType')} {lut_type}"
        return _Scale(unit=unit, note="its values went through the file's Modality LUT.", table=dataset)
    return _real_world_scale(dataset, one) or _Scale(
        note="its file has no Rescale Slope and Intercept: values were taken as stored."
    )


def _real_world_scale(dataset: Dataset, one: Slice) -> _Scale | None:
    """The rescale that a Real World Value Map tells, where it is of one line; None without such a map."""
    found = tags.element(dataset, "RealWorldValueMappingSequence", one.frame)
    maps = [] if found is None else list(found[0])
    if not maps:
        return None
    coded = [item for item in maps if item.get("MeasurementUnitsCodeSequence")]
    units = ", ".join(str(item.MeasurementUnitsCodeSequence[0].get("CodeValue", "")) for item in coded) or "no units"
    linear = [item for item in maps if "RealWorldValueSlope" in item and "RealWorldValueIntercept" in item]
    if len(maps) != 1 or len(linear) != 1:
        raise InputError(
            f"{one.name} has no Rescale Slope, but {len(maps)} Real World Value Maps ({units}), of which none can be "
            "chosen: export the series again with Rescale Slope and Intercept."
        )
    unit = "" if units.upper() == _UCUM_HU else f"Real World Value Map in {units}"
    slope, intercept = float(linear[0].RealWorldValueSlope), float(linear[0].RealWorldValueIntercept)
    return _Scale(slope, intercept, unit, "its rescale is that of the file's Real World Value Map.")


def _padding(dataset: Dataset, stored: np.ndarray) -> np.ndarray | None:
    """(rows, columns) bool: pixels that hold Pixel Padding Value, or a value up to its limit (PS3.3 C.7.5.1.1.2)."""
    if dataset.get("PixelPaddingValue") is None:
        return None
    ends = [int(dataset.PixelPaddingValue)]
    if dataset.get("PixelPaddingRangeLimit") is not None:
        ends.append(int(dataset.PixelPaddingRangeLimit))
    if int(dataset.get("PixelRepresentation") or 0) == 1:
        # written as unsigned by some: the same bits
        ends = [end - 65536 if end > 32767 else end for end in ends]
    else:
        ends = [end + 65536 if end < 0 else end for end in ends]
    return (stored >= min(ends)) & (stored <= max(ends))
