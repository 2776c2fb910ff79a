"""From slices to a volume: their order, and whether they fill a box without gaps, doubles and tilt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from SphericalRegLib.errors import GeometryError, InputError
from SphericalRegLib.io.dicom_ct.slices import Slice
from SphericalRegLib.io.images.grid import world_from_voxel

# Scanners round slice positions; a missing slice is a whole step.
_LARGEST_GAP_ERROR = 0.1
_LARGEST_TILT = 1e-3
# mm between slices that count as lying at one place.
_SAME_PLACE = 1e-4
# Off the line along which the slices are stacked, mm: what rounding to a tenth leaves.
_SMALLEST_OFFSET = 0.1
_LARGEST_DIFFERENCE = 1e-3
# Values that an error lists.
_MOST_SHOWN = 12


@dataclass(frozen=True)
class Stack:
    """Slices of one volume in order of their position along the normal.

    Attributes:
        slices: the lowest along the normal first.
        size: voxels along i, j, k.
        world_from_voxel: (4, 4) float64 RAS mm.
    """

    slices: list[Slice]
    size: tuple[int, int, int]
    world_from_voxel: np.ndarray


def stack(slices: Sequence[Slice], name: str) -> Stack:
    """Order slices and check that they make a rectangular grid.

    Args:
        slices: two or more, in any order.
        name: of their folder or file, for messages.

    Raises:
        InputError: for a single slice.
        GeometryError: for slices without position, of different grids, tilted, shifted, uneven, missing or double.
    """
    if len(slices) < 2:
        raise InputError(
            f"{name} holds a single slice: a CT needs the whole series. Name the folder with all its slices."
        )
    for what, difference in (
        ("ImageOrientationPatient", _difference([one.orientation for one in slices])),
        ("PixelSpacing", _difference([one.spacing for one in slices])),
        ("Rows and Columns", _difference([one.size for one in slices])),
    ):
        if difference is not None:
            raise GeometryError(
                f"The slices in {name} differ in {what}: {difference[0]} and {difference[1]}. "
                + _remedy(slices, lambda group: _same_grid(group))
            )
    row, column = np.split(slices[0].orientation, 2)
    normal = np.cross(row, column)
    positions = np.array([one.position for one in slices])
    order = np.argsort(positions @ normal, kind="stable")
    positions = positions[order]
    step = (positions[-1] - positions[0]) / (len(slices) - 1)
    along = positions @ normal
    _check_doubles(along, slices, normal, name)
    _check_gaps(along, float(step @ normal), name)
    thickness = float(np.linalg.norm(step))
    _check_tilt(normal, step, thickness, name)
    _check_offsets(positions, step, min(thickness, *slices[0].spacing), name)
    row_mm, column_mm = slices[0].spacing
    directions = np.stack([row, column, step / thickness], axis=1)
    matrix = world_from_voxel(np.array([column_mm, row_mm, thickness]), directions, positions[0], name)
    rows, columns = (int(n) for n in slices[0].size)
    return Stack([slices[n] for n in order], (columns, rows, len(slices)), matrix)


def chosen_phase(slices: Sequence[Slice], phase: str, name: str) -> list[Slice]:
    """The slices whose attribute has a value, as ``"TemporalPositionIndex=2"`` says.

    Raises:
        InputError: where no slice has that value; the message lists those that there are.
    """
    keyword, _, wanted = (part.strip() for part in phase.partition("="))
    values = [one.traits().get(keyword) for one in slices]
    kept = [one for one, value in zip(slices, values, strict=True) if value is not None and value == wanted.upper()]
    if not kept:
        there = ", ".join(sorted({value for value in values if value is not None})[:_MOST_SHOWN])
        told = f"{keyword} is {there}" if there else f"no slice tells {keyword}"
        raise InputError(f"phase={phase!r} names no slice of {name}: {told}.")
    return kept


def _difference(values: Sequence[np.ndarray]) -> tuple[list[float], list[float]] | None:
    """The first value and the one that differs most from it; None where all are alike."""
    stacked = np.array(values, dtype=float)
    differences = np.abs(stacked - stacked[0]).max(axis=1)
    if differences.max() <= _LARGEST_DIFFERENCE:
        return None
    return stacked[0].tolist(), stacked[differences.argmax()].tolist()


def _same_grid(slices: Sequence[Slice]) -> bool:
    return all(
        _difference(values) is None
        for values in (
            [one.orientation for one in slices],
            [one.spacing for one in slices],
            [one.size for one in slices],
        )
    )


def _check_doubles(along: np.ndarray, slices: Sequence[Slice], normal: np.ndarray, name: str) -> None:
    """Raise for slices along the normal (mm, sorted) where another one lies."""
    gaps = np.diff(along)
    if gaps.min() >= _SAME_PLACE:
        return

    def without_doubles(group: Sequence[Slice]) -> bool:
        return bool(np.diff(np.sort([one.position @ normal for one in group])).min() >= _SAME_PLACE)

    raise GeometryError(
        f"{int((gaps < _SAME_PLACE).sum())} slices in {name} lie where another one does (first at "
        f"{along[gaps.argmin()]:.3f} mm): the series holds several volumes (phases, energies, reconstructions). "
        + _remedy(slices, without_doubles)
    )


def _remedy(slices: Sequence[Slice], is_volume: Callable[[Sequence[Slice]], bool]) -> str:
    """How to keep one of several volumes: by an attribute, each of whose values stands for a volume."""
    traits = [one.traits() for one in slices]
    for keyword in dict.fromkeys(keyword for one in traits for keyword in one):
        groups: dict[str, list[Slice]] = {}
        for one, told in zip(slices, traits, strict=True):
            groups.setdefault(told.get(keyword, ""), []).append(one)
        volumes = {value: group for value, group in groups.items() if value and len(group) > 1}
        if len(groups) > 1 and len(volumes) == len(groups) and all(is_volume(group) for group in volumes.values()):
            listing = ", ".join(
                f"{value} ({len(group)} slices)" for value, group in list(volumes.items())[:_MOST_SHOWN]
            )
            return f"They differ in {keyword}: {listing}. Choose one with phase='{keyword}={next(iter(volumes))}'."
    return "Nothing in their headers tells the volumes apart: keep the slices of one volume only."


def _check_gaps(along: np.ndarray, step: float, name: str) -> None:
    """Raise for slices along the normal (mm, sorted) that are missing or unevenly spaced."""
    gaps = np.diff(along)
    errors = np.abs(along - (along[0] + step * np.arange(len(along))))
    if errors.max() > _LARGEST_GAP_ERROR * step:
        worst = int(gaps.argmax())
        raise GeometryError(
            f"The slices in {name} are not evenly spaced: they are {np.median(gaps):.3f} mm apart as a rule and "
            f"{gaps[worst]:.3f} mm between {along[worst]:.3f} and {along[worst + 1]:.3f} mm. Add the missing slices, "
            "or resample the series."
        )


def _check_tilt(normal: np.ndarray, step: np.ndarray, thickness: float, name: str) -> None:
    tilt = float(np.linalg.norm(np.cross(normal, step))) / thickness
    if tilt > _LARGEST_TILT:
        raise GeometryError(
            f"The series in {name} is sheared: its slices are stacked {np.degrees(np.arcsin(min(tilt, 1))):.2f}° off "
            "their normal (a tilted gantry). Resample it to a rectangular grid first; in 3D Slicer, load it with "
            "'Acquisition geometry regularization'."
        )


def _check_offsets(positions: np.ndarray, step: np.ndarray, voxel: float, name: str) -> None:
    """Raise for slices that lie beside the line along which the others are stacked."""
    direction = step / np.linalg.norm(step)
    offsets = positions - positions[0]
    beside = np.linalg.norm(offsets - np.outer(offsets @ direction, direction), axis=1)
    if beside.max() > max(_LARGEST_GAP_ERROR * voxel, _SMALLEST_OFFSET):
        worst = int(beside.argmax())
        raise GeometryError(
            f"Slice {worst} in {name}, counted along the normal, lies {beside[worst]:.3f} mm beside the line of the "
            "others: the slices fill no box. Resample the series to a rectangular grid first."
        )
