"""Closed surfaces (STL, PLY, OBJ) as volumes: implants of one material.

The surface is scan-converted on a finer grid (VTK's image stencil), so that a voxel at its border attenuates by the
share of it that lies inside. VTK is not among what this package needs otherwise: it is imported when a surface is read.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch

from SphericalRegLib.errors import GeometryError, InputError
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.text_files import existing_file

SUFFIXES = (".stl", ".ply", ".obj")
# Finer voxels along each axis of one that is kept: a border's share is then known to some percent, a line integral
# through many borders far better.
_FINER = 4
_MOST_VOXELS = 3 * 10**8
# mm: no implant is larger, and none is smaller.
_SMALLEST, _LARGEST = 1.0, 1000.0


def read_surface(path: str | Path, attenuation: float, voxel_mm: float = 0.5) -> Volume:
    """The volume that a closed surface bounds, in the surface's own frame, mm.

    Args:
        path: of the surface.
        attenuation: linear, 1/mm.
        voxel_mm: edge of a voxel.

    Returns:
        density (1, K, J, I), its isocenter in the middle of the surface's box.

    Raises:
        InputError: for a file that cannot be read, a surface with holes, or voxels too many; without VTK.
        GeometryError: for one that is not of an implant's size in mm.
    """
    path = existing_file(path)
    if not 0 < voxel_mm < math.inf:
        raise InputError(f"The implant's voxels are {voxel_mm} mm: give their edge, above 0.")
    vtk = _vtk()
    surface = _surface(path, vtk)
    low, high = (np.array(surface.GetBounds())[n::2] for n in (0, 1))
    extent = high - low
    if not _SMALLEST < float(extent.max()) < _LARGEST:
        raise GeometryError(
            f"{path} is {' × '.join(f'{length:.4g}' for length in extent)} in size: surfaces are in mm. Scale it."
        )
    # a voxel of air around, so that interpolation falls to zero
    counts = np.ceil(extent / voxel_mm).astype(int) + 2
    if float(np.prod(counts.astype(float))) * _FINER**3 > _MOST_VOXELS:
        raise InputError(f"{path} has {counts.tolist()} voxels of {voxel_mm:g} mm: take larger ones.")
    middle = (low + high) / 2
    first = middle - (counts - 1) / 2 * voxel_mm
    inside = _inside(surface, first, counts, voxel_mm, vtk)
    matrix = np.diag([voxel_mm, voxel_mm, voxel_mm, 1.0])
    matrix[:3, 3] = first
    density = torch.from_numpy(inside[None] * np.float32(attenuation))
    return Volume(density, torch.from_numpy(matrix), torch.from_numpy(middle))


def _vtk() -> Any:
    try:
        import vtk
    except ImportError:
        raise InputError("Surfaces are read with VTK, which is not installed: pip install vtk.") from None
    return vtk


def _surface(path: Path, vtk: Any) -> Any:
    """vtkPolyData of triangles without holes."""
    readers = {".stl": "vtkSTLReader", ".ply": "vtkPLYReader", ".obj": "vtkOBJReader"}
    suffix = path.suffix.lower()
    if suffix not in readers:
        raise InputError(f"{path} is no surface that is read: give {', '.join(SUFFIXES)}.")
    reader = getattr(vtk, readers[suffix])()
    reader.SetFileName(str(path))
    # what VTK has to say is said below
    warnings = vtk.vtkObject.GetGlobalWarningDisplay()
    vtk.vtkObject.GlobalWarningDisplayOff()
    try:
        triangles, clean = vtk.vtkTriangleFilter(), vtk.vtkCleanPolyData()
        triangles.SetInputConnection(reader.GetOutputPort())
        clean.SetInputConnection(triangles.GetOutputPort())
        clean.Update()
        surface = clean.GetOutput()
        if surface.GetNumberOfPolys() < 4:
            raise InputError(f"{path} holds no surface, or is damaged: {surface.GetNumberOfPolys()} triangles.")
        edges = vtk.vtkFeatureEdges()
        edges.SetInputData(surface)
        edges.FeatureEdgesOff()
        edges.ManifoldEdgesOff()
        edges.NonManifoldEdgesOff()
        edges.Update()
    finally:
        vtk.vtkObject.SetGlobalWarningDisplay(warnings)
    holes = edges.GetOutput().GetNumberOfLines()
    if holes:
        raise InputError(
            f"{path} is not closed: {holes} edges belong to one triangle only. Fill its holes, so that it is known "
            "what lies inside."
        )
    return surface


def _inside(surface: Any, first: np.ndarray, counts: np.ndarray, voxel_mm: float, vtk: Any) -> np.ndarray:
    """(K, J, I) float32, the share of each voxel that lies inside."""
    from vtk.util.numpy_support import vtk_to_numpy

    fine = voxel_mm / _FINER
    origin = first - voxel_mm / 2 + fine / 2
    size = counts * _FINER
    stencil, image = vtk.vtkPolyDataToImageStencil(), vtk.vtkImageStencilToImage()
    stencil.SetInputData(surface)
    stencil.SetOutputOrigin(*origin.tolist())
    stencil.SetOutputSpacing(fine, fine, fine)
    stencil.SetOutputWholeExtent(0, int(size[0]) - 1, 0, int(size[1]) - 1, 0, int(size[2]) - 1)
    # the grid is fine enough: a voxel belongs to the inside where its middle does
    stencil.SetTolerance(0.0)
    image.SetInputConnection(stencil.GetOutputPort())
    image.SetInsideValue(1)
    image.SetOutsideValue(0)
    image.SetOutputScalarTypeToUnsignedChar()
    image.Update()
    values = vtk_to_numpy(image.GetOutput().GetPointData().GetScalars())
    i, j, k = counts.tolist()
    blocks = values.reshape(k, _FINER, j, _FINER, i, _FINER)
    return np.asarray(blocks.mean(axis=(1, 3, 5), dtype=np.float32))
