"""X-rays from volume nodes as Slicer's DICOM module and sequences bring them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import slicer
import vtk

from SphericalRegLib.errors import GeometryError, InputError
from SphericalRegLib.geometry.view import View
from SphericalRegLib.scene.xray import dicom_instance_uids, frame_number, pixels, xray_from_volume
from Testing.Python.scene.builders import add_volume

AS_LOADED = np.diag([-0.4, -0.3, 1.0, 1.0])


def picture(height: int = 48, width: int = 64) -> np.ndarray:
    rows, columns = np.indices((height, width))
    return (100 + 3 * rows + 7 * columns + (rows * columns) % 5).astype(np.uint16)


def test_rows_and_columns_stay_as_they_are_stored(a_scene: Any, off_center_view: View) -> None:
    node = add_volume(a_scene, picture()[None], AS_LOADED, "AP")
    xray = xray_from_volume(node, off_center_view)
    np.testing.assert_array_equal(xray.image, picture())
    assert xray.view is off_center_view
    assert xray.path == "AP"
    assert xray.mask.all()


def test_tones_are_those_of_files(a_scene: Any, off_center_view: View) -> None:
    node = add_volume(a_scene, picture()[None], AS_LOADED)
    inverted = xray_from_volume(node, off_center_view, "inverted")
    np.testing.assert_array_equal(inverted.image, picture().max() - picture().astype(np.float32))
    raw = xray_from_volume(node, off_center_view, "intensity", i0=2000.0)
    np.testing.assert_allclose(raw.image, np.log(2000.0 / picture()), rtol=1e-6)
    assert "logarithm" in raw.conversion
    with pytest.raises(InputError, match="tone='positive' is none of"):
        xray_from_volume(node, off_center_view, "positive")  # type: ignore[arg-type]


def test_pixels_that_are_not_usable_stay_out(a_scene: Any, off_center_view: View) -> None:
    usable = np.ones((48, 64), bool)
    usable[:, :9] = False
    xray = xray_from_volume(add_volume(a_scene, picture()[None], AS_LOADED), off_center_view, usable=usable)
    np.testing.assert_array_equal(xray.mask, usable)


def test_geometry_of_another_size_is_refused(a_scene: Any, off_center_view: View) -> None:
    node = add_volume(a_scene, picture(40, 64)[None], AS_LOADED, "AP")
    with pytest.raises(GeometryError, match="'AP' has 40 rows and 64 columns, its geometry is for 48 and 64"):
        xray_from_volume(node, off_center_view)
    with pytest.raises(GeometryError, match="its mask is for 2 and 3"):
        xray_from_volume(add_volume(a_scene, picture()[None], AS_LOADED), off_center_view, usable=np.ones((2, 3), bool))


def test_a_run_of_images_needs_a_choice(a_scene: Any, off_center_view: View) -> None:
    run = np.stack([picture(), picture() + 50, picture() + 90])
    node = add_volume(a_scene, run, AS_LOADED, "run")
    with pytest.raises(InputError, match=r"'run' has 3 slices: an X-ray has one\. Choose the frame"):
        pixels(node)
    np.testing.assert_array_equal(xray_from_volume(node, off_center_view, frame=1).image, picture() + 50)
    with pytest.raises(InputError, match="no frame 3: it holds 3"):
        pixels(node, 3)


def test_a_sequences_proxy_gives_the_frame_it_shows(a_slicer_app: Any, off_center_view: View) -> None:
    scene = a_slicer_app.scene
    logic = a_slicer_app.register_module_logic(slicer.vtkSlicerSequencesLogic())
    sequence = scene.AddNewNodeByClass("vtkMRMLSequenceNode", "run")
    sequence.SetAttribute("DICOM.instanceUIDs", "1.2.3 1.2.4")
    for number in range(3):
        node = add_volume(scene, (picture() + 10 * number)[None], AS_LOADED, "frame")
        sequence.SetDataNodeAtValue(node, str(number))
        scene.RemoveNode(node)
    browser = scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", "browser")
    browser.AddSynchronizedSequenceNode(sequence)
    logic.UpdateProxyNodesFromSequences(browser)
    proxy = browser.GetProxyNode(sequence)
    for number in (0, 2):
        browser.SetSelectedItemNumber(number)
        logic.UpdateProxyNodesFromSequences(browser)
        np.testing.assert_array_equal(xray_from_volume(proxy, off_center_view).image, picture() + 10 * number)
        assert frame_number(proxy) == number
    assert dicom_instance_uids(proxy) == ["1.2.3", "1.2.4"]
    with pytest.raises(InputError, match="'run' is a sequence: choose the volume that shows"):
        pixels(sequence)


def test_nodes_without_gray_values_are_refused_with_a_remedy(a_scene: Any) -> None:
    color = np.zeros((1, 4, 5, 3), np.uint8)
    with pytest.raises(InputError, match=r"'photo' is a color image \(3 values per pixel\)"):
        pixels(add_volume(a_scene, color, AS_LOADED, "photo", "vtkMRMLVectorVolumeNode"))
    with pytest.raises(InputError, match="has 3 values per pixel: an X-ray has one"):
        pixels(add_volume(a_scene, color, AS_LOADED, "photo"))
    with pytest.raises(InputError, match="is a label map"):
        pixels(add_volume(a_scene, picture()[None], AS_LOADED, "m", "vtkMRMLLabelMapVolumeNode"))
    with pytest.raises(InputError, match="is empty"):
        pixels(a_scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "empty"))
    with pytest.raises(InputError, match=r"'m' \(Model\) cannot be used here: choose a node of the kind X-ray volume"):
        pixels(a_scene.AddNewNodeByClass("vtkMRMLModelNode", "m"))
    with pytest.raises(InputError, match="No X-ray volume was chosen"):
        pixels(None)


def test_uids_and_frames_are_those_of_the_node_itself(a_scene: Any) -> None:
    node = add_volume(a_scene, picture()[None], AS_LOADED)
    assert dicom_instance_uids(node) == []
    assert frame_number(node) is None
    node.SetAttribute("DICOM.instanceUIDs", "1.9")
    assert dicom_instance_uids(node) == ["1.9"]


def test_pixels_are_a_view_of_the_nodes_own(a_scene: Any) -> None:
    node = add_volume(a_scene, picture()[None], AS_LOADED)
    node.GetImageData().GetPointData().GetScalars().SetTuple1(0, 999)
    assert isinstance(node.GetImageData(), vtk.vtkImageData)
    assert pixels(node)[0, 0] == 999
