"""CT volumes, bones from segmentations and label maps, under all sorts of transforms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import slicer
import torch

from SphericalRegLib.errors import GeometryError, InputError
from SphericalRegLib.geometry import se3
from SphericalRegLib.imaging.volume import to_volume
from SphericalRegLib.scene.ct import ct_from_volume, labels_on, rescale_of, set_rescale
from Testing.Python.scene.builders import add_bent_transform, add_linear_transform, add_volume, voxel_in_world


def numbered(shape: tuple[int, int, int] = (5, 6, 7)) -> np.ndarray:
    """Every voxel another value, from air to bone."""
    return np.arange(np.prod(shape), dtype=np.int16).reshape(shape) * 9 - 1000


def moved(scene: Any) -> Any:
    """A linear transform under another one: turned, shifted, one of them stretching."""
    outer = se3.exp(torch.tensor([0.3, 0.9, -0.5, 70.0, -30.0, 12.0], dtype=torch.float64)).numpy()
    inner = se3.exp(torch.tensor([-0.6, 0.2, 0.7, -5.0, 44.0, 90.0], dtype=torch.float64)).numpy()
    parent = add_linear_transform(scene, outer, name="outer")
    return add_linear_transform(scene, inner @ np.diag([1.25, 1.25, 1.25, 1.0]), parent, name="inner")


@pytest.mark.parametrize("under", ["nothing", "nested transforms"])
@pytest.mark.parametrize("handedness", ["right-handed", "left-handed"])
def test_every_voxel_keeps_its_value_and_its_place_in_the_world(
    a_scene: Any, oblique_matrix: np.ndarray, under: str, handedness: str
) -> None:
    if handedness == "left-handed":
        oblique_matrix = oblique_matrix @ np.diag([1.0, -1.0, 1.0, 1.0])
    node = add_volume(a_scene, numbered(), oblique_matrix)
    if under == "nested transforms":
        node.SetAndObserveTransformNodeID(moved(a_scene).GetID())
    ct = ct_from_volume(node)
    assert np.linalg.det(ct.world_from_voxel[:3, :3]) > 0
    stored = numbered()
    for i, j, k in [(0, 0, 0), (6, 0, 0), (0, 5, 0), (0, 0, 4), (3, 2, 1)]:
        at = np.linalg.inv(ct.world_from_voxel) @ [*voxel_in_world(node, (i, j, k)), 1.0]
        np.testing.assert_allclose(at[:3], np.round(at[:3]), atol=1e-6)
        a, b, c = np.round(at[:3]).astype(int)
        assert ct.hu[c, b, a] == stored[k, j, i]
        back = ct.world_from_voxel @ [a, b, c, 1.0]
        np.testing.assert_allclose(back[:3], voxel_in_world(node, (i, j, k)), atol=1e-6)


def test_what_is_rendered_lies_where_slicer_shows_it(a_scene: Any, oblique_matrix: np.ndarray) -> None:
    values = np.full((12, 14, 16), -1000, np.int16)
    values[5:8, 6:9, 3:7] = 900
    node = add_volume(a_scene, values, oblique_matrix)
    node.SetAndObserveTransformNodeID(moved(a_scene).GetID())
    volume = to_volume(ct_from_volume(node))
    np.testing.assert_allclose(volume.center.numpy(), voxel_in_world(node, (4.5, 7.0, 6.0)), atol=1e-6)


def test_the_nodes_own_values_are_not_touched(a_scene: Any, oblique_matrix: np.ndarray) -> None:
    values = numbered().astype(np.float32) - 3000
    node = add_volume(a_scene, values, oblique_matrix)
    ct = ct_from_volume(node)
    assert ct.hu.min() == -1024
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(node), values)
    ct.hu[...] = 7
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(node), values)


def test_values_that_are_no_hu_are_what_is_said_of_them(a_scene: Any, oblique_matrix: np.ndarray) -> None:
    hu = np.maximum(numbered().astype(np.float32), -1000)
    node = add_volume(a_scene, hu + 1024, oblique_matrix, "wrist")
    with pytest.raises(InputError, match=r"'wrist'.*beside the CT: HU \+ 1024"):
        ct_from_volume(node)
    before = node.GetMTime()
    set_rescale(node, (1.0, -1024.0))
    assert node.GetMTime() > before
    np.testing.assert_allclose(ct_from_volume(node).hu, hu)
    set_rescale(node, (2.0, -3000.0))
    np.testing.assert_allclose(ct_from_volume(node).hu, np.maximum(2 * (hu + 1024) - 3000, -1024))
    set_rescale(node, (1.0, 0.0))
    np.testing.assert_allclose(ct_from_volume(node).hu, hu + 1024)
    with pytest.raises(InputError, match=r"slope.*-1"):
        set_rescale(node, (-1.0, 0.0))
    set_rescale(node, None)
    assert rescale_of(node) is None


def test_a_bent_transform_is_refused_by_name(a_scene: Any, oblique_matrix: np.ndarray) -> None:
    node = add_volume(a_scene, numbered(), oblique_matrix, "knee")
    bent = add_bent_transform(a_scene, "spline 4")
    rigid = add_linear_transform(a_scene, np.eye(4), bent)
    node.SetAndObserveTransformNodeID(rigid.GetID())
    with pytest.raises(GeometryError, match=r"'knee'.*'spline 4'.*not linear.*[Hh]arden"):
        ct_from_volume(node)


@pytest.mark.parametrize("scale", [0.0, 1e-12], ids=["flat", "nearly flat"])
def test_a_transform_that_flattens_space_is_refused(a_scene: Any, oblique_matrix: np.ndarray, scale: float) -> None:
    node = add_volume(a_scene, numbered(), oblique_matrix)
    flat = np.array([[1.0, 0, 0, 0], [0, 1.0, 1.0, 0], [0, 1.0, 1.0 + scale, 0], [0, 0, 0, 1.0]])
    node.SetAndObserveTransformNodeID(add_linear_transform(a_scene, flat, name="flat").GetID())
    with pytest.raises(GeometryError, match="'flat', which flattens space"):
        ct_from_volume(node)


def test_a_transform_that_shears_is_refused(a_scene: Any, oblique_matrix: np.ndarray) -> None:
    node = add_volume(a_scene, numbered(), oblique_matrix)
    shear = np.eye(4)
    shear[0, 1] = 0.2
    node.SetAndObserveTransformNodeID(add_linear_transform(a_scene, shear).GetID())
    with pytest.raises(GeometryError, match="sheared"):
        ct_from_volume(node)


def test_nodes_that_are_no_ct_are_refused_with_a_remedy(a_scene: Any, oblique_matrix: np.ndarray) -> None:
    with pytest.raises(InputError, match="No CT volume was chosen"):
        ct_from_volume(None)
    labelmap = add_volume(a_scene, numbered(), oblique_matrix, "bones", "vtkMRMLLabelMapVolumeNode")
    with pytest.raises(InputError, match="'bones' is a label map"):
        ct_from_volume(labelmap)
    with pytest.raises(InputError, match="is empty: load its voxels"):
        ct_from_volume(a_scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "empty"))
    with pytest.raises(InputError, match="1 voxels: a CT needs three dimensions"):
        ct_from_volume(add_volume(a_scene, numbered((1, 6, 7)), oblique_matrix))
    with pytest.raises(InputError, match="does not look like Hounsfield units"):
        ct_from_volume(add_volume(a_scene, numbered() + 2000, oblique_matrix))
    with pytest.raises(InputError, match="Crop it"):
        ct_from_volume(add_volume(a_scene, numbered(), oblique_matrix), max_voxels=100)
    gone = add_volume(a_scene, numbered(), oblique_matrix, "gone")
    a_scene.RemoveNode(gone)
    with pytest.raises(InputError, match="'gone' was deleted from the scene"):
        ct_from_volume(gone)


def segmented(scene: Any, reference: Any, blocks: dict[str, tuple[slice, slice, slice]]) -> Any:
    """A segmentation with a binary labelmap for each block (k, j, i) of a volume's grid."""
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "bones")
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(reference)
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    shape = reference.GetImageData().GetDimensions()[::-1]
    for name, block in blocks.items():
        values = np.zeros(shape, np.int16)
        values[block] = 1
        temporary = add_volume(scene, values, np.eye(4), "temporary", "vtkMRMLLabelMapVolumeNode")
        temporary.CopyOrientation(reference)
        oriented = logic.CreateOrientedImageDataFromVolumeNode(temporary)
        oriented.UnRegister(None)
        node.AddSegmentFromBinaryLabelmapRepresentation(oriented, name)
        scene.RemoveNode(temporary)
    return node


BLOCKS = {
    "femur": (slice(1, 3), slice(2, 5), slice(1, 4)),
    "tibia": (slice(3, 5), slice(0, 3), slice(3, 7)),
}


@pytest.mark.parametrize("under", ["nothing", "the CT's transforms", "other transforms"])
@pytest.mark.parametrize("handedness", ["right-handed", "left-handed"])
def test_segments_lie_on_the_voxels_where_they_were_drawn(
    a_scene: Any, oblique_matrix: np.ndarray, under: str, handedness: str
) -> None:
    if handedness == "left-handed":
        oblique_matrix = oblique_matrix @ np.diag([-1.0, 1.0, 1.0, 1.0])
    node = add_volume(a_scene, numbered(), oblique_matrix)
    segmentation = segmented(a_scene, node, BLOCKS)
    if under == "the CT's transforms":
        transform = moved(a_scene)
        node.SetAndObserveTransformNodeID(transform.GetID())
        segmentation.SetAndObserveTransformNodeID(transform.GetID())
    elif under == "other transforms":
        # both are shifted by exactly one voxel along i, but by different nodes
        shift = np.eye(4)
        shift[:3, 3] = oblique_matrix[:3, 0]
        segmentation.SetAndObserveTransformNodeID(add_linear_transform(a_scene, shift).GetID())
    ct = ct_from_volume(node, segmentation)
    assert ct.labels is not None
    assert ct.label_names == {1: "femur", 2: "tibia"}
    expected = np.zeros((5, 6, 7), int)
    for number, block in enumerate(BLOCKS.values(), start=1):
        expected[block] = number
    if under == "other transforms":
        expected = np.concatenate([np.zeros_like(expected[..., :1]), expected[..., :-1]], axis=-1)
    labels = ct.labels[::-1] if handedness == "left-handed" else ct.labels
    np.testing.assert_array_equal(labels, expected)


def test_chosen_segments_are_found_by_name_or_id_and_others_are_left_out(
    a_scene: Any, oblique_matrix: np.ndarray
) -> None:
    node = add_volume(a_scene, numbered(), oblique_matrix)
    segmentation = segmented(a_scene, node, BLOCKS)
    identifier = segmentation.GetSegmentation().GetSegmentIdBySegmentName("tibia")
    for wanted in ("tibia", identifier):
        ct = ct_from_volume(node, segmentation, [wanted])
        assert ct.labels is not None
        assert ct.label_names == {1: "tibia"}
        assert (ct.labels > 0).sum() == 2 * 3 * 4
    with pytest.raises(InputError, match=r"segment 'pelvis' nowhere. It holds: femur .*, tibia"):
        ct_from_volume(node, segmentation, ["pelvis"])
    with pytest.raises(InputError, match="no segments to use"):
        ct_from_volume(node, a_scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "empty"))


def test_conversions_leave_nothing_behind_in_the_scene(a_scene: Any, oblique_matrix: np.ndarray) -> None:
    node = add_volume(a_scene, numbered(), oblique_matrix)
    segmentation = segmented(a_scene, node, BLOCKS)
    before = a_scene.GetNumberOfNodes()
    ct_from_volume(node, segmentation)
    assert a_scene.GetNumberOfNodes() == before


def test_a_label_map_on_the_grid_is_taken_with_its_color_names(a_scene: Any, oblique_matrix: np.ndarray) -> None:
    node = add_volume(a_scene, numbered(), oblique_matrix)
    values = np.zeros((5, 6, 7), np.int16)
    values[2, 3, 4] = 2
    labelmap = add_volume(a_scene, values, oblique_matrix, "labels", "vtkMRMLLabelMapVolumeNode")
    colors = a_scene.AddNewNodeByClass("vtkMRMLColorTableNode", "names")
    colors.SetTypeToUser()
    colors.SetNumberOfColors(3)
    colors.SetColor(2, "patella", 1, 1, 1, 1)
    labelmap.GetDisplayNode().SetAndObserveColorNodeID(colors.GetID())
    labels, names = labels_on(node, labelmap)
    np.testing.assert_array_equal(labels, values)
    assert names == {2: "patella"}


def test_a_label_map_on_another_grid_is_refused(a_scene: Any, oblique_matrix: np.ndarray) -> None:
    node = add_volume(a_scene, numbered(), oblique_matrix)
    shifted = oblique_matrix.copy()
    shifted[:3, 3] += 0.5
    labelmap = add_volume(a_scene, np.ones((5, 6, 7), np.int16), shifted, "labels", "vtkMRMLLabelMapVolumeNode")
    with pytest.raises(GeometryError, match=r"'labels'.*does not lie on the grid"):
        ct_from_volume(node, labelmap)
