"""Cheap looks at chosen nodes, made as they are chosen, so that what cannot work is said before a run. No torch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from SphericalRegLib.scene.session.removal import is_carm

if TYPE_CHECKING:
    from SphericalRegLib.scene.nodes import Node, Scene

#: As many pairs of landmarks as a pose needs.
LEAST_PAIRS = 4


def slice_count(volume: Node) -> int:
    """How many slices a volume has; 0 where it has no pixels."""
    image = None if volume is None else volume.GetImageData()
    return 0 if image is None or image.GetNumberOfPoints() == 0 else int(image.GetDimensions()[2])


def image_size(volume: Node) -> tuple[int, int] | None:
    """(rows, columns) of an image node, or None where it has no pixels."""
    if volume is None or volume.GetImageData() is None:
        return None
    columns, rows, _slices = volume.GetImageData().GetDimensions()
    return rows, columns


def placed_names(markups: Node) -> set[str]:
    """Names of the points that have been placed."""
    if markups is None:
        return set()
    return {
        markups.GetNthControlPointLabel(index).strip()
        for index in range(markups.GetNumberOfControlPoints())
        if markups.GetNthControlPointPositionStatus(index) == markups.PositionDefined
    }


def pair_counts(ct_landmarks: Node, xrays: Iterable[tuple[Node, Node]]) -> list[int]:
    """How many landmarks of each chosen X-ray have a partner in the CT; X-rays as (volume, landmarks)."""
    in_ct = placed_names(ct_landmarks)
    return [len(in_ct & placed_names(marks)) for volume, marks in xrays if volume is not None]


def lost_segments(segmentation_node: Node, segments: Iterable[str]) -> list[str]:
    """Those of some segments (by ID) that a segmentation, or None, does not have."""
    if segmentation_node is None:
        return list(segments)
    segmentation = segmentation_node.GetSegmentation()
    return [identity for identity in segments if segmentation.GetSegment(identity) is None]


def segment_names(segmentation_node: Node) -> Sequence[tuple[str, str]]:
    """((ID, name), …) of a segmentation, empty for None."""
    if segmentation_node is None:
        return ()
    segmentation = segmentation_node.GetSegmentation()
    identities = [segmentation.GetNthSegmentID(index) for index in range(segmentation.GetNumberOfSegments())]
    return tuple((identity, segmentation.GetSegment(identity).GetName()) for identity in identities)


def only_inputs(scene: Scene) -> tuple[Node, Node]:
    """(CT, X-ray) where a scene leaves no choice: its only volume of several slices, its only one of one; else None.

    What belongs to C-arms of ours, label maps and what selectors leave out are none of them.
    """
    count = scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode")
    nodes = (scene.GetNthNodeByClass(index, "vtkMRMLScalarVolumeNode") for index in range(count))
    offered = [
        node
        for node in nodes
        if node.GetClassName() == "vtkMRMLScalarVolumeNode"
        and not node.GetHideFromEditors()
        and not is_carm(node.GetParentTransformNode())
    ]
    cts = [node for node in offered if slice_count(node) > 1]
    xrays = [node for node in offered if slice_count(node) == 1]
    return (cts[0] if len(cts) == 1 else None), (xrays[0] if len(xrays) == 1 else None)


def same_data(one: Node, other: Node) -> bool:
    """Whether two X-rays cannot be two views: the same node, or the same pixels in memory."""
    if one is None or other is None:
        return False
    if one.GetID() == other.GetID():
        return True
    return one.GetImageData() is not None and one.GetImageData() is other.GetImageData()
