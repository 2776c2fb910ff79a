"""Markups files as Slicer's own storage nodes write them, of points on images as Slicer loads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import SimpleITK

from SphericalRegLib.io.landmarks.files import read_landmarks
from SphericalRegLib.sample import sample_path
from SphericalRegLib.scene.landmarks import markups_from_landmarks, markups_on_image
from Testing.Python.scene.builders import vtk_matrix


def loaded(scene: Any, path: Path, plugin: bool) -> Any:
    """An X-ray as Slicer loads it: from a file, or as its DICOM plugin for image sequences does."""
    storage = scene.AddNewNodeByClass("vtkMRMLVolumeArchetypeStorageNode")
    storage.SetFileName(str(path))
    storage.SetSingleFile(True)
    storage.SetCenterImage(0)
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", path.stem)
    assert storage.ReadData(node)
    if plugin:
        columns, rows, _ = node.GetSpacing()
        node.SetIJKToRASMatrix(vtk_matrix(np.diag([-1.0, -1.0, 1.0, 1.0])))
        node.SetSpacing(columns, rows, 1.0)
    return node


@pytest.mark.parametrize("kind", ["oblique", "angiography", "angiography from its file"])
@pytest.mark.parametrize("suffix", ["mrk.json", "fcsv"])
def test_files_of_markups_placed_in_slicer_hold_the_same_pixels_and_points(
    tmp_path: Path, a_scene: Any, oblique_matrix: np.ndarray, kind: str, suffix: str
) -> None:
    path = tmp_path / ("xray.nrrd" if kind == "oblique" else "xray.dcm")
    if kind == "oblique":
        image = SimpleITK.GetImageFromArray(np.zeros((1, 90, 80), np.float32))
        image.SetSpacing((0.7, 1.3, 2.9))
        image.SetOrigin((211.7, -93.1, 488.3))
        image.SetDirection((np.diag([-1.0, -1.0, 1.0]) @ oblique_matrix[:3, :3] / [0.7, 1.3, 2.9]).ravel().tolist())
        SimpleITK.WriteImage(image, str(path))
    else:
        dataset = pydicom.dcmread(sample_path("pelvis_lumbar_3mm_ap.dcm"))
        dataset.ImagerPixelSpacing = [0.3, 0.7]
        dataset.ImagePositionPatient, dataset.ImageOrientationPatient = [10, 20, 30], [0, 1, 0, 0, 0, -1]
        dataset.save_as(path)
    xray = loaded(a_scene, path, plugin=kind == "angiography")
    places = {"a": (40.0, 50.5), 'b, "c"': (0.0, 0.0), "d": (79.0, 12.25)}
    points = {"a": [1.5, -2.0, 3.0], 'b, "c"': [4.0, 5.0, -6.0], "d": [7.0, 8.0, 9.0], "ct only": [0.0, 0.0, 1.0]}
    kinds = {"mrk.json": "vtkMRMLMarkupsJsonStorageNode", "fcsv": "vtkMRMLMarkupsFiducialStorageNode"}
    files = []
    for node, name in (
        (markups_from_landmarks(a_scene, points, "CT"), "ct"),
        (markups_on_image(a_scene, places, xray, "X-ray"), "xray"),
    ):
        node.AddControlPoint([1.0, 1.0, 1.0], "unset")
        node.SetNthControlPointPositionMissing(node.GetNumberOfControlPoints() - 1)
        storage = a_scene.AddNewNodeByClass(kinds[suffix])
        files.append(tmp_path / f"{name}.{suffix}")
        storage.SetFileName(str(files[-1]))
        assert storage.WriteData(node)
    (world,), (pixels,) = read_landmarks(files, [path])
    assert {name: pytest.approx(point) for name, point in world.items()} == points
    assert {name: pytest.approx(place, abs=1e-9) for name, place in pixels.items()} == {
        name: list(place) for name, place in places.items()
    }
