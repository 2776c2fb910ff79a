"""Pixels of markups that were placed on an X-ray in 3D Slicer.

A markup is a place in space, so what matters is where Slicer shows the image. That is where the file says, but for
angiography, fluoroscopy and secondary captures out of the DICOM module: its image sequence plugin
(DICOMImageSequencePlugin.addSequenceFromImageData) gives every frame the same single slice at the origin, with axes of
its own whatever the file says.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry import frames
from SphericalRegLib.io.dicom.file import is_dicom, read_dataset
from SphericalRegLib.io.images.itk_io import read_header
from SphericalRegLib.io.landmarks.table import Places

# SOP classes that Slicer's plugin for image sequences takes, as far as they hold X-rays.
_SEQUENCE_CLASSES = (
    "1.2.840.10008.5.1.4.1.1.12.1",
    "1.2.840.10008.5.1.4.1.1.12.2",
    "1.2.840.10008.5.1.4.1.1.7",
    "1.2.840.10008.5.1.4.1.1.7.2",
)
# Slices, and pixels, that a point on the image may lie off its plane: Slicer shows a slice to half its thickness.
_OFF_SLICES = 0.501
_OFF_PIXELS = 1.0
# Pixels beyond the centers of the image's outermost ones.
_BORDER = 0.5 + 1e-6


def pixels_on_image(places: Places, markups: Path, xray: str | Path, frame: int = 0) -> Places:
    """{name: [u, v]} pixels, centers at integers, of markups that were placed on an X-ray.

    Args:
        places: {name: [x, y, z]} RAS mm.
        markups: the file that holds them, for errors.
        xray: the image file.
        frame: the one that is registered, counted from 0.

    Raises:
        InputError: for points that do not all lie on that frame of the image, by at most a pixel or half a slice; it
            names the worst.
    """
    size, grids = _grids(xray, frame)
    points = np.array([[*place, 1.0] for place in places.values()]).T
    results: list[np.ndarray] = []
    complaints: list[str] = []
    for world_from_pixel in grids:
        indices = (np.linalg.inv(world_from_pixel) @ points)[:3]
        if complaint := _complaint(indices, list(places), world_from_pixel, size):
            complaints.append(complaint)
        else:
            results.append(indices[:2])
    if not results:
        raise InputError(
            f"{markups}: {complaints[0]} of {xray}{f', frame {frame}' if frame else ''}: place the points on that "
            "X-ray in a slice view, or name the file of the X-ray on which they were placed."
        )
    if any(np.abs(other - results[0]).max() > _OFF_PIXELS for other in results[1:]):
        raise InputError(
            f"{markups} lies on {xray} both where the file says and where 3D Slicer's DICOM module puts such images, "
            "at other pixels: give the landmarks as pixels (CSV) instead."
        )
    return {name: [float(u), float(v)] for name, u, v in zip(places, *results[0], strict=True)}


def _complaint(indices: np.ndarray, names: list[str], world_from_pixel: np.ndarray, size: tuple[int, int]) -> str:
    """What is wrong with the point that lies farthest off the image's plane, or off its borders; "" if nothing."""
    lengths = np.linalg.norm(world_from_pixel[:3, :3], axis=0)
    off_mm = np.abs(indices[2]) * lengths[2]
    worst = int(off_mm.argmax())
    if not off_mm[worst] <= max(_OFF_SLICES * lengths[2], _OFF_PIXELS * max(lengths[:2])):
        return f"the landmark {names[worst]!r} lies {off_mm[worst]:.1f} mm off the plane"
    last = np.array(size)[:, None] - 1
    beyond = np.maximum(-indices[:2], indices[:2] - last).max(axis=0)
    worst = int(beyond.argmax())
    if beyond[worst] > _BORDER:
        u, v = indices[:2, worst]
        return (
            f"the landmark {names[worst]!r} lies at column {u:.1f}, row {v:.1f}, outside of the {size[0]} × {size[1]} "
            "pixels"
        )
    return ""


def _grids(xray: str | Path, frame: int) -> tuple[tuple[int, int], list[np.ndarray]]:
    """(columns, rows), and the (4, 4) RAS mm of (u, v, slices off the frame) under which Slicer may show the image."""
    header = read_header(xray)
    dimensions = header.GetDimension()
    directions = np.eye(3)
    directions[:dimensions, :dimensions] = np.array(header.GetDirection()).reshape(dimensions, dimensions)
    spacing, origin = np.ones(3), np.zeros(3)
    spacing[:dimensions], origin[:dimensions] = header.GetSpacing(), header.GetOrigin()
    slices = header.GetSize()[2] if dimensions > 2 else 1
    grids = [_matrix(directions * spacing, origin + directions[:, 2] * spacing[2] * (frame if slices > 1 else 0))]
    path = Path(xray)
    if is_dicom(path) and _sop_class(path) in _SEQUENCE_CLASSES:
        grids.insert(0, _matrix(np.diag([spacing[0], spacing[1], 1.0]), np.zeros(3)))
    if min(abs(np.linalg.det(grid)) for grid in grids) < 1e-12:
        raise InputError(f"{xray} has axes that lie in one plane: landmarks on it must be given as pixels (CSV).")
    return header.GetSize()[:2], grids


def _sop_class(path: Path) -> str:
    return str(read_dataset(path, pixels=False, tags=["SOPClassUID"]).get("SOPClassUID", ""))


def _matrix(axes: np.ndarray, origin: np.ndarray) -> np.ndarray:
    """(4, 4) RAS mm from LPS."""
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = axes, origin
    flipped: np.ndarray = frames.flip_affine(torch.from_numpy(matrix)).numpy()
    return flipped
