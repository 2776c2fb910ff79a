"""A CT from a scalar volume node, with its bones from a segmentation or a label map."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import slicer
import torch
from vtk.util import numpy_support

from SphericalRegLib.errors import GeometryError, InputError
from SphericalRegLib.geometry import frames
from SphericalRegLib.imaging import hounsfield
from SphericalRegLib.imaging.ct import CT
from SphericalRegLib.io.ct import MAX_VOXELS
from SphericalRegLib.io.images import grid
from SphericalRegLib.scene import matrices, nodes
from SphericalRegLib.scene.nodes import Node

# A label map written by another tool has its grid rounded differently; a tenth of a voxel is not seen.
_TOLERANCE_VOXELS = 0.1
_RESCALE = "Rescale"


def ct_from_volume(
    node: Node,
    segmentation: Node | None = None,
    segments: Sequence[str] | None = None,
    *,
    units: hounsfield.Units = "auto",
    max_voxels: int = MAX_VOXELS,
) -> CT:
    """The CT of a scalar volume node, where Slicer shows it: in world RAS, with all linear transforms it hangs under.

    A left-handed index (as some files have it) is turned right-handed by counting k from the other end, which moves no
    voxel.

    Args:
        node: vtkMRMLScalarVolumeNode in Hounsfield units, or in those that :func:`set_rescale` says.
        segmentation: vtkMRMLSegmentationNode, brought onto the CT's grid, or vtkMRMLLabelMapVolumeNode on that grid.
        segments: of a segmentation, by ID or name; all by default. Where two overlap the later one wins.
        units: as for ``read_ct``.
        max_voxels: the most that a CT may have.

    Raises:
        InputError: for other nodes, an empty volume, values that are no HU, too many voxels, or unknown segments.
        GeometryError: for a parent transform that is not linear, shears or flattens, or a label map on another grid.
    """
    nodes.require(node, "vtkMRMLScalarVolumeNode", "CT volume")
    name = f"The CT '{node.GetName()}'"
    if node.IsA("vtkMRMLLabelMapVolumeNode"):
        raise InputError(f"{name} is a label map: choose the CT itself, in Hounsfield units.")
    values = _values(node, name)
    size = values.shape[::-1]
    grid.check_size(size, name, max_voxels, (1, 1, 1))
    given, reverse = grid.right_handed_grid(matrices.world_from_ijk(node), size)
    matrix = _checked_grid(given, name)
    told = rescale_of(node)
    if told is None and units == "auto" and looks_rescaled(node):
        raise InputError(
            f"{name} does not look like Hounsfield units: none of its values is below 0, while air is -1000. Choose "
            "what they are beside the CT: HU + 1024, or the scanner's slope and intercept."
        )
    hu = hounsfield.hounsfield(values[::-1] if reverse else values, name, units, told)
    labels: np.ndarray | None = None
    label_names: dict[int, str] = {}
    if segmentation is not None:
        labels, label_names = labels_on(node, segmentation, segments)
        labels = labels[::-1] if reverse else labels
    note = hounsfield.without_air(hu)
    notes = (note,) if note else ()
    return CT(np.ascontiguousarray(hu), matrix, labels, label_names, node.GetName(), notes)


def set_rescale(node: Node, rescale: tuple[float, float] | None) -> None:
    """Say what a CT's values are, for good: it is kept with the node, and saved with the scene.

    Args:
        node: vtkMRMLScalarVolumeNode.
        rescale: (slope, intercept) that turn values into HU: (1, 0) where they are HU whatever they look like, (1,
            -1024) for HU + 1024; None: they are HU, and refused where they do not look like it.

    Raises:
        InputError: for another node, or a slope that is not above 0.
    """
    nodes.require(node, "vtkMRMLScalarVolumeNode", "CT volume")
    if rescale is not None and not rescale[0] > 0:
        raise InputError(f"The slope of a CT's values is {rescale[0]:g}: give a number above 0.")
    if rescale_of(node) != rescale:
        nodes.set_data(node, _RESCALE, None if rescale is None else list(rescale))


def rescale_of(node: Node) -> tuple[float, float] | None:
    """What :func:`set_rescale` said of a CT, or None."""
    kept = nodes.get_data(node, _RESCALE)
    return None if kept is None else (float(kept[0]), float(kept[1]))


def looks_rescaled(node: Node) -> bool:
    """Whether no value of a CT is below 0, as that of air is in Hounsfield units."""
    image = node.GetImageData()
    return image is not None and image.GetNumberOfPoints() > 0 and image.GetScalarRange()[0] >= 0


def labels_on(
    volume: Node, segmentation: Node, segments: Sequence[str] | None = None
) -> tuple[np.ndarray, dict[int, str]]:
    """A segmentation or label map on a volume's grid.

    Args:
        volume: vtkMRMLScalarVolumeNode: a CT, or an X-ray (then a mask).
        segmentation, segments: as for :func:`ct_from_volume`.

    Returns:
        (K, J, I) int32 in the order of ``arrayFromVolume(volume)``, and {label: name}.

    Raises:
        InputError: for other nodes, or segments that are not there.
        GeometryError: for a label map on another grid.
    """
    if segmentation is not None and segmentation.IsA("vtkMRMLSegmentationNode"):
        return _from_segmentation(volume, segmentation, segments)
    nodes.require(segmentation, "vtkMRMLLabelMapVolumeNode", "segmentation or label map")
    if segments is not None:
        raise InputError(f"'{segmentation.GetName()}' is a label map, which has no segments: leave them out.")
    labels = _values(segmentation, f"The label map '{segmentation.GetName()}'").astype(np.int32)
    size = volume.GetImageData().GetDimensions()
    own, other = matrices.world_from_ijk(volume), matrices.world_from_ijk(segmentation)
    if labels.shape[::-1] != tuple(size) or not grid.same_grid(own, other, size, _TOLERANCE_VOXELS):
        raise GeometryError(
            f"The label map '{segmentation.GetName()}' ({labels.shape[::-1]} voxels) does not lie on the grid of "
            f"'{volume.GetName()}' ({tuple(size)} voxels): import it into a segmentation and choose that, or resample "
            "it (Resample Scalar/Vector/DWI Volume, nearest neighbor)."
        )
    if labels.min() < 0:
        raise InputError(f"'{segmentation.GetName()}' holds the label {labels.min()}: labels are 0 or greater.")
    return labels, _color_names(segmentation, labels)


def _values(node: Node, name: str) -> np.ndarray:
    """(K, J, I) as stored, not copied."""
    image = node.GetImageData()
    if image is None or image.GetNumberOfPoints() == 0 or image.GetPointData().GetScalars() is None:
        raise InputError(f"{name} is empty: load its voxels first.")
    if image.GetNumberOfScalarComponents() != 1:
        raise InputError(
            f"{name} has {image.GetNumberOfScalarComponents()} values per voxel: one is needed. Is it a color image?"
        )
    array: np.ndarray = numpy_support.vtk_to_numpy(image.GetPointData().GetScalars())
    return array.reshape(image.GetDimensions()[::-1])


def _checked_grid(matrix: np.ndarray, name: str) -> np.ndarray:
    """The same matrix, if its axes are at right angles: through the check that files go through."""
    spacing = np.linalg.norm(matrix[:3, :3], axis=0)
    lps = frames.flip_affine(torch.from_numpy(matrix)).numpy()
    grid.world_from_voxel(spacing, lps[:3, :3] / spacing, lps[:3, 3], name)
    return matrix


def _from_segmentation(volume: Node, node: Node, segments: Sequence[str] | None) -> tuple[np.ndarray, dict[int, str]]:
    segmentation = node.GetSegmentation()
    present = [segmentation.GetNthSegmentID(n) for n in range(segmentation.GetNumberOfSegments())]
    titles = {identifier: segmentation.GetSegment(identifier).GetName() for identifier in present}
    chosen = present if segments is None else [_segment_id(str(one), titles, node.GetName()) for one in segments]
    if not chosen:
        raise InputError(f"The segmentation '{node.GetName()}' has no segments to use: add or choose some.")
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    size = volume.GetImageData().GetDimensions()
    labels = np.zeros(size[::-1], np.int32)
    reference = logic.CreateOrientedImageDataFromVolumeNode(volume, node.GetParentTransformNode())
    reference.UnRegister(None)  # made with a reference of its own, which Python's comes on top of
    for number, identifier in enumerate(chosen, start=1):
        part = slicer.vtkOrientedImageData()
        if not node.GetBinaryLabelmapRepresentation(identifier, part):
            raise InputError(
                f"The segment '{titles[identifier]}' of '{node.GetName()}' has no binary labelmap and none can be "
                "made: create that representation in the Segmentations module."
            )
        onto = slicer.vtkOrientedImageData()
        resample = slicer.vtkOrientedImageDataResample
        if not resample.ResampleOrientedImageToReferenceOrientedImage(part, reference, onto, False, False):
            raise InputError(f"The segment '{titles[identifier]}' cannot be brought onto '{volume.GetName()}'.")
        inside = numpy_support.vtk_to_numpy(onto.GetPointData().GetScalars()).reshape(size[::-1]) > 0
        labels[inside] = number
    return labels, {number: titles[identifier] for number, identifier in enumerate(chosen, start=1)}


def _segment_id(wanted: str, titles: dict[str, str], name: str) -> str:
    if wanted in titles:
        return wanted
    named = [identifier for identifier, title in titles.items() if title == wanted]
    if len(named) == 1:
        return named[0]
    often = "more than once: choose it by ID" if named else "nowhere"
    listing = ", ".join(f"{title} ({identifier})" for identifier, title in titles.items()) or "none"
    raise InputError(f"The segmentation '{name}' has the segment '{wanted}' {often}. It holds: {listing}.")


def _color_names(node: Node, labels: np.ndarray) -> dict[int, str]:
    """{label: name} by the label map's color table, which is where Slicer keeps them."""
    display = node.GetDisplayNode()
    colors = None if display is None else display.GetColorNode()
    if colors is None:
        return {}
    present = [int(label) for label in np.unique(labels) if label]
    return {label: colors.GetColorName(label) for label in present if label < colors.GetNumberOfColors()}
