"""Implants out of closed surfaces: their volume, their line integrals, and what is refused."""

import math

import numpy as np
import pytest
import torch

from SphericalRegLib.errors import GeometryError, InputError
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.view import View
from SphericalRegLib.imaging.materials import MATERIALS, material_attenuation
from SphericalRegLib.io.surface_file import read_surface
from SphericalRegLib.rendering import render

vtk = pytest.importorskip("vtk", reason="surfaces are read with VTK")


def box_surface(size=(20.0, 11.0, 7.0), center=(13.0, -40.0, 8.0), turned=(0.4, -0.3, 0.5)):
    """An oblique box off the origin."""
    cube = vtk.vtkCubeSource()
    cube.SetXLength(size[0])
    cube.SetYLength(size[1])
    cube.SetZLength(size[2])
    matrix = se3.exp(torch.tensor([*turned, *center]).double())
    transform, moved, triangles = vtk.vtkTransform(), vtk.vtkTransformPolyDataFilter(), vtk.vtkTriangleFilter()
    transform.SetMatrix(matrix.flatten().tolist())
    moved.SetTransform(transform)
    moved.SetInputConnection(cube.GetOutputPort())
    triangles.SetInputConnection(moved.GetOutputPort())
    triangles.Update()
    return triangles.GetOutput(), matrix


def written(surface, path):
    writer = {".stl": vtk.vtkSTLWriter, ".ply": vtk.vtkPLYWriter, ".obj": vtk.vtkOBJWriter}[path.suffix]()
    writer.SetFileName(str(path))
    writer.SetInputData(surface)
    writer.Write()
    return path


@pytest.mark.parametrize("suffix", [".stl", ".ply", ".obj"])
def test_a_box_has_its_volume_and_its_middle_from_every_format(tmp_path, suffix):
    surface, matrix = box_surface()
    volume = read_surface(written(surface, tmp_path / f"box{suffix}"), 0.5, voxel_mm=0.6)
    assert float(volume.density.sum()) * 0.6**3 == pytest.approx(0.5 * 20 * 11 * 7, rel=2e-3)
    assert float(volume.density.max()) == pytest.approx(0.5)
    k, j, i = torch.meshgrid(*[torch.arange(n).double() for n in volume.density.shape[1:]], indexing="ij")
    points = torch.stack([i, j, k], -1) @ volume.world_from_voxel[:3, :3].T + volume.world_from_voxel[:3, 3]
    mean = (points * volume.density[0, ..., None]).sum((0, 1, 2)) / volume.density.sum()
    torch.testing.assert_close(mean, matrix[:3, 3], atol=0.02, rtol=0)


def test_line_integrals_are_attenuation_times_length(tmp_path):
    surface, matrix = box_surface()
    volume = read_surface(written(surface, tmp_path / "box.stl"), 0.04, voxel_mm=0.5)
    # along the box's own z: 7 mm of it, on the central ray
    view = View.from_spacing(3, 3, 1000.0, (1.0, 1.0))
    pose = (se3.translation(torch.tensor([0.0, 0.0, 600.0]).double()) @ se3.inverse(matrix))[None]
    assert float(render(volume, view, pose, samples=400)[0, 0, 1, 1]) == pytest.approx(0.04 * 7.0, rel=0.01)


def test_a_sphere_is_as_dense_inside_as_its_material_and_nothing_outside(tmp_path):
    sphere = vtk.vtkSphereSource()
    sphere.SetRadius(9.0)
    sphere.SetThetaResolution(80)
    sphere.SetPhiResolution(80)
    sphere.Update()
    density = read_surface(written(sphere.GetOutput(), tmp_path / "ball.stl"), 1.0, voxel_mm=1.0).density[0]
    assert float(density.sum()) == pytest.approx(4 / 3 * math.pi * 9**3, rel=0.01)
    assert float(density[0].max()) == float(density[:, 0].max()) == float(density[..., -1].max()) == 0


def test_a_surface_with_a_hole_is_refused(tmp_path):
    surface, _ = box_surface()
    surface.BuildLinks()
    surface.DeleteCell(0)
    surface.RemoveDeletedCells()
    with pytest.raises(InputError, match="not closed: 3 edges"):
        read_surface(written(surface, tmp_path / "open.ply"), 0.5)


def test_what_is_no_implant_is_refused(tmp_path):
    tiny, _ = box_surface(size=(0.02, 0.01, 0.01), center=(0.0, 0.0, 0.0))
    with pytest.raises(GeometryError, match="surfaces are in mm"):
        read_surface(written(tiny, tmp_path / "meters.stl"), 0.5)
    (tmp_path / "text.stl").write_text("nothing of that kind")
    with pytest.raises(InputError, match="no surface"):
        read_surface(tmp_path / "text.stl", 0.5)
    (tmp_path / "a.vtk").write_text("x")
    with pytest.raises(InputError, match=r"give \.stl"):
        read_surface(tmp_path / "a.vtk", 0.5)
    surface, _ = box_surface()
    with pytest.raises(InputError, match="larger ones"):
        read_surface(written(surface, tmp_path / "box.stl"), 0.5, voxel_mm=0.01)
    with pytest.raises(InputError, match=r"voxels are 0 mm"):
        read_surface(tmp_path / "box.stl", 0.5, voxel_mm=0)


def test_materials_are_mixtures_by_weight():
    for material in MATERIALS.values():
        assert sum(material.composition.values()) == pytest.approx(1.0, abs=1e-9)
    # iron at 60 keV: 1.205 cm²/g (NIST SRD 126); steel has as much, a little heavier
    assert material_attenuation("steel", 60.0) == pytest.approx(1.205 * 7.95 / 10, rel=0.08)
    falling = [material_attenuation("CoCr", energy) for energy in (50, 70, 100)]
    assert falling == sorted(falling, reverse=True)
    assert np.all(np.diff([material_attenuation(name) for name in ("pe", "cement", "ti", "steel")]) > 0)
    assert material_attenuation("0.35") == 0.35
    for wrong in ("gold", "-1", "nan"):
        with pytest.raises(InputError, match="no material"):
            material_attenuation(wrong)
    with pytest.raises(InputError, match="outside 40 to 150"):
        material_attenuation("ti", 20.0)
