"""DeepFluoro: six pelvises, 366 fluoroscopic images with registered poses, in one HDF5 file.

R. B. Grupp et al., "Automatic annotation of hip anatomy in fluoroscopy for robust and efficient 2D/3D registration",
IJCARS 15 (2020); data: doi 10.7281/T1/IFSXNV, CC BY-NC 4.0, which whoever uses it brings.

Pose: camera_from_lps = extrinsic · cam-to-pelvis-vol⁻¹, in a camera whose z axis points to the source. Its landmarks
cannot decide on the half voxel: marks are projections of the landmarks through the stored pose. Later work by the data
set's author moves cam-to-pelvis-vol by half a millimeter along each axis, for the renderer that made the truth counted
from voxel corners. The stored pose is taken as it is; ``half_voxel`` takes the other, and a study that matters reports
both, with the mean signed offset of its registrations (``offset.py``).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from SphericalRegLib.errors import GeometryError, InputError
from SphericalRegLib.evaluation.datasets import hdf5
from SphericalRegLib.evaluation.datasets.camera import placed_camera, turned_by_half
from SphericalRegLib.evaluation.datasets.contract import Frame, Subject
from SphericalRegLib.evaluation.datasets.landmark_check import LIMIT_PX, check_marks, farthest_px
from SphericalRegLib.geometry.frames import flip_points
from SphericalRegLib.geometry.view import View
from SphericalRegLib.imaging.ct import CT
from SphericalRegLib.imaging.hounsfield import hounsfield
from SphericalRegLib.imaging.xray import XRay
from SphericalRegLib.io.images.grid import right_handed_grid, same_grid, world_from_voxel
from SphericalRegLib.io.xray import xray_of_values

# left and right hemipelvis, vertebrae, upper and lower sacrum: what one pose moves
_RIGID = (1, 2, 3, 4, 7)
_SHARED = "proj-params"
# tenths of a voxel: labels were made on the CT
_SAME_GRID = 0.1
_HALF_VOXEL_MM = 0.5
_AXES = ("row", "col")


@dataclass(frozen=True)
class DeepFluoro:
    """See the module.

    Args:
        path: ``ipcai_2020_full_res_data.h5``.
        half_voxel: whether the CT is moved by half a millimeter along each of its axes (LPS) against the stored pose.

    Raises:
        InputError: for a file that is damaged, or not of this layout.
        DeviceError: without h5py.
    """

    path: str
    half_voxel: bool = False

    def __post_init__(self) -> None:
        with hdf5.opened(self.path) as file:
            hdf5.group(file, _SHARED, self.path)
            if not any(name != _SHARED for name in file):
                raise InputError(f"{self.path} holds no specimen beside {_SHARED!r}.")

    @property
    def names(self) -> Sequence[str]:
        """Of the specimens, as the file orders them."""
        with hdf5.opened(self.path) as file:
            return tuple(name for name in file if name != _SHARED)

    @property
    def notes(self) -> Sequence[str]:
        """How many images each specimen has; other loaders number them differently."""
        with hdf5.opened(self.path) as file:
            counts = [
                f"{name}: {len(file[name]['projections'])}"
                for name in file
                if name != _SHARED and "projections" in file[name]
            ]
        moved = "moved by half a millimeter along each axis" if self.half_voxel else "as stored"
        return (f"images by specimen: {', '.join(counts)}", f"the CT's place is {moved}")

    def subject(self, name: str) -> Subject:
        """See :class:`~SphericalRegLib.evaluation.datasets.contract.Dataset`."""
        if name not in self.names:
            raise InputError(f"{self.path} has no specimen {name!r}: it has {', '.join(self.names)}.")
        with hdf5.opened(self.path) as file:
            lps = _points(file, name, self.path)
            points = {key: flip_points(point) for key, point in lps.items()}
            center = torch.stack(list(points.values())).mean(0)
            frames = [
                self._frame(file, name, number, points, center)
                for number in hdf5.group(file, f"{name}/projections", self.path)
            ]
            labelled = "vol-seg" in file[name]
        return Subject(
            name, partial(_read_ct, self.path, name), points, tuple(frames), bones=_RIGID if labelled else None
        )

    def _frame(self, file: Any, name: str, number: str, points: dict[str, Tensor], center: Tensor) -> Frame:
        place, path = f"{name}/projections/{number}", self.path
        where = f"{Path(path).name}, {place}"
        rows, columns = hdf5.size(file, f"{place}/image/pixels", 2, path)
        told = hdf5.whole(file, f"{_SHARED}/num-rows", path), hdf5.whole(file, f"{_SHARED}/num-cols", path)
        if told != (rows, columns):
            raise InputError(
                f"{where} has {rows} rows and {columns} columns, and {_SHARED!r} says {told[0]}, {told[1]}."
            )
        spacing = tuple(float(hdf5.numbers(file, f"{_SHARED}/pixel-{key}-spacing", (1,), path)[0]) for key in _AXES)
        camera_to_volume = _matrix(file, f"{place}/gt-poses/cam-to-pelvis-vol", (4, 4), path)
        extrinsic = _matrix(file, f"{_SHARED}/extrinsic", (4, 4), path)
        intrinsic = _matrix(file, f"{_SHARED}/intrinsic", (3, 3), path)
        if abs(float(torch.linalg.det(intrinsic))) < 1e-9:
            raise GeometryError(f"{path}: {_SHARED}/intrinsic is singular: {intrinsic.tolist()}.")
        camera_from_lps = extrinsic @ _inverted(camera_to_volume, where)
        view, pose = placed_camera(
            intrinsic, camera_from_lps, center, (rows, columns), (spacing[0], spacing[1]), f"{name}/{number}"
        )
        flag = f"{place}/rot-180-for-up"
        turned = flag in file and hdf5.whole(file, flag, path) == 1
        stored = _marks(file, place, path)
        marks, notes = stored, []
        if turned:
            seen = turned_by_half(view)
            # public loaders contradict each other on whether flagged marks are stored turned: the landmarks tell
            if farthest_px(view, pose, points, stored)[0] <= LIMIT_PX or not stored:
                marks = {key: (columns - 1 - u, rows - 1 - v) for key, (u, v) in stored.items()}
            else:
                notes.append("its marks are stored turned already, its picture is not")
            view = seen
        check_marks(where, view, pose, points, marks)
        if self.half_voxel:
            pose = _moved(pose)
        return Frame(
            number,
            view,
            pose,
            marks,
            partial(_read_xray, path, f"{place}/image/pixels", view, turned),
            ("turned by 180° for display",) if turned else (),
            tuple(notes),
        )


def _moved(pose: Tensor) -> Tensor:
    """The pose of a CT that lies half a millimeter farther along each axis of LPS."""
    step = torch.eye(4, dtype=torch.float64)
    step[:3, 3] = flip_points(torch.full((3,), _HALF_VOXEL_MM, dtype=torch.float64))
    return pose @ step


def _matrix(file: Any, place: str, shape: tuple[int, int], path: str) -> Tensor:
    return torch.from_numpy(hdf5.numbers(file, place, shape, path))


def _inverted(matrix: Tensor, where: str) -> Tensor:
    try:
        return torch.linalg.inv(matrix)
    except RuntimeError:
        raise GeometryError(f"{where}: cam-to-pelvis-vol is singular: {matrix.tolist()}.") from None


def _points(file: Any, name: str, path: str) -> dict[str, Tensor]:
    """{landmark: (3,) LPS mm}."""
    place = f"{name}/vol-landmarks"
    found = {
        key: torch.from_numpy(hdf5.numbers(file, f"{place}/{key}", (3,), path)) for key in hdf5.group(file, place, path)
    }
    if not found:
        raise InputError(f"{path}: {place!r} holds no landmark, so that no pose can be checked.")
    return found


def _marks(file: Any, place: str, path: str) -> dict[str, tuple[float, float]]:
    marks = {}
    for key in hdf5.group(file, f"{place}/gt-landmarks", path):
        u, v = hdf5.numbers(file, f"{place}/gt-landmarks/{key}", (2,), path)
        marks[key] = (float(u), float(v))
    return marks


def _read_xray(path: str, place: str, view: View, turned: bool) -> XRay:
    with hdf5.opened(path) as file:
        values = hdf5.pixels(file, place, 2, path)
    if turned:
        values = np.ascontiguousarray(values[::-1, ::-1])
    return xray_of_values(values, view, f"{path}:{place}", 0, tone="intensity", reason="raw intensities")


def _read_ct(path: str, name: str) -> CT:
    with hdf5.opened(path) as file:
        values = hdf5.pixels(file, f"{name}/vol/pixels", 3, path)
        matrix, reverse = right_handed_grid(_grid(file, f"{name}/vol", path), values.shape[::-1])
        labels, names = None, {}
        if "vol-seg" in file[name]:
            place = f"{name}/vol-seg/image"
            labels = hdf5.pixels(file, f"{place}/pixels", 3, path).astype(np.int32)
            own, _ = right_handed_grid(_grid(file, place, path), labels.shape[::-1])
            sizes = (values.shape[2], values.shape[1], values.shape[0])
            if labels.shape != values.shape or not same_grid(own, matrix, sizes, _SAME_GRID):
                raise InputError(f"{path}: {place!r} has other voxels than {name}/vol: {labels.shape}, {values.shape}.")
            definitions = f"{name}/vol-seg/labels-def"
            if definitions in file:
                names = {int(key): hdf5.word(file, f"{definitions}/{key}", path) for key in file[definitions]}
    if reverse:
        values, labels = values[::-1], None if labels is None else labels[::-1]
    hu = np.ascontiguousarray(hounsfield(values, f"{path}:{name}", "auto", None))
    return CT(hu, matrix, None if labels is None else np.ascontiguousarray(labels), names, f"{path}:{name}")


def _grid(file: Any, place: str, path: str | os.PathLike[str]) -> np.ndarray:
    """world_from_voxel, of either hand."""
    spacing, origin = (hdf5.numbers(file, f"{place}/{key}", (3,), path) for key in ("spacing", "origin"))
    directions = hdf5.numbers(file, f"{place}/dir-mat", (3, 3), path)
    return world_from_voxel(spacing, directions, origin, f"{path}: {place}", right_handed=False)
