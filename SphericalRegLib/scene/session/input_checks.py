"""Cheap looks at chosen nodes, made as they are chosen, so that what cannot work is said before a run. No torch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from SphericalRegLib.scene.nodes import Node

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


def same_data(one: Node, other: Node) -> bool:
    """Whether two X-rays cannot be two views: the same node, or the same pixels in memory."""
    if one is None or other is None:
        return False
    if one.GetID() == other.GetID():
        return True
    return one.GetImageData() is not None and one.GetImageData() is other.GetImageData()
