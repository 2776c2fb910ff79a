"""The 2D overlay: X-ray and DRR in a slice view that lies in the detector, also shown there in 3D."""

from __future__ import annotations

from typing import Literal

import numpy as np

from SphericalRegLib.errors import InputError
from SphericalRegLib.scene import carm, detector, matrices, nodes
from SphericalRegLib.scene.comparison import COMPARISONS, ComparisonMode, compare
from SphericalRegLib.scene.nodes import Node

Mode = Literal["opacity", "checkerboard", "edges", "difference"]
MODES: tuple[Mode, ...] = ("opacity", *COMPARISONS)

_MODE = "ComparisonMode"
_TITLES: dict[ComparisonMode, str] = {
    "checkerboard": "checkerboard",
    "edges": "DRR edges on X-ray",
    "difference": "difference",
}
# Room around the image in the view.
_MARGIN = 1.02


def show_overlay(
    pose_node: Node,
    index: int,
    slice_node: Node,
    composite_node: Node,
    mode: Mode = "opacity",
    opacity: float = 0.5,
    *,
    in_3d: bool = True,
    fit: bool = True,
) -> None:
    """Show one view's X-ray with its DRR in a slice view. All of it is scene, so it is saved and loaded.

    Of a C-arm that has no X-ray the DRR is shown alone, whatever the mode.

    Args:
        pose_node: of the C-arm.
        index: of the view.
        slice_node: vtkMRMLSliceNode.
        composite_node: vtkMRMLSliceCompositeNode of the same view.
        mode: how the two are compared.
        opacity: of the DRR, 0 to 1, for "opacity".
        in_3d: whether the 3D views show the picture at the detector.
        fit: whether to show all of the image; otherwise zoom and center stay as they are.

    Raises:
        InputError: for another mode or view, or where X-ray or DRR are missing.
    """
    if mode not in MODES:
        raise InputError(f"There is no comparison '{mode}': choose one of {', '.join(MODES)}.")
    nodes.require(slice_node, "vtkMRMLSliceNode", "slice view")
    nodes.require(composite_node, "vtkMRMLSliceCompositeNode", "slice view")
    if carm.is_without_xray(pose_node, index):
        show_drr(pose_node, index, slice_node, composite_node, in_3d=in_3d, fit=fit)
        return
    image, drr = _layers(pose_node, index)
    if mode == "opacity":
        background, foreground = image, drr
    else:
        nodes.set_data(pose_node, f"{_MODE}.{index}", mode)
        background, foreground = _comparison(pose_node, index, mode), None
    composite_node.SetBackgroundVolumeID(background.GetID())
    composite_node.SetForegroundVolumeID("" if foreground is None else foreground.GetID())
    composite_node.SetForegroundOpacity(float(np.clip(opacity, 0, 1)))
    composite_node.SetLabelVolumeID("")
    align_slice(slice_node, image, fit=fit)
    slice_node.SetSliceVisible(in_3d)


def show_drr(
    pose_node: Node, index: int, slice_node: Node, composite_node: Node, *, in_3d: bool = True, fit: bool = True
) -> None:
    """Show one view's DRR alone in a slice view.

    Args:
        pose_node, index, slice_node, composite_node, in_3d, fit: as for :func:`show_overlay`.

    Raises:
        InputError: where there is no DRR.
    """
    drr = carm.carm_nodes(pose_node).drrs[index]
    if drr is None:
        raise InputError(f"The DRR of '{pose_node.GetName()}' is not there: it was deleted, or is not drawn yet.")
    for set_layer, identity in (
        (composite_node.SetBackgroundVolumeID, drr.GetID()),
        (composite_node.SetForegroundVolumeID, ""),
        (composite_node.SetLabelVolumeID, ""),
    ):
        set_layer(identity)
    align_slice(slice_node, drr, fit=fit)
    slice_node.SetSliceVisible(in_3d)


def refresh_overlay(pose_node: Node, index: int) -> None:
    """Compute a view's comparison picture anew, if it has one, after its DRR changed.

    Raises:
        InputError: where X-ray or DRR are missing, or the C-arm itself.
    """
    carm.view_count(pose_node)
    mode = nodes.get_data(pose_node, f"{_MODE}.{index}")
    if mode is not None and nodes.reference(pose_node, f"Comparison.{index}") is not None:
        _comparison(pose_node, index, mode)


def carm_shown(composite_node: Node) -> Node | None:
    """The C-arm of which a slice view shows an image; None where it shows none."""
    scene = nodes.scene_of(composite_node)
    for identity in (composite_node.GetBackgroundVolumeID(), composite_node.GetForegroundVolumeID()):
        hub = carm.carm_of_image(scene.GetNodeByID(identity)) if identity else None
        if hub is not None:
            return hub
    return None


def leave_overlay(slice_node: Node, composite_node: Node, instead: Node | None) -> None:
    """Let a slice view show a user's own volume in place of an overlay, and nothing of it in 3D.

    Args:
        slice_node: vtkMRMLSliceNode.
        composite_node: vtkMRMLSliceCompositeNode of the same view.
        instead: an image, shown in its own plane; or a CT, shown in the view's default plane through its middle; or
            None: an empty view.
    """
    composite_node.SetBackgroundVolumeID("" if instead is None else instead.GetID())
    composite_node.SetForegroundVolumeID("")
    composite_node.SetLabelVolumeID("")
    slice_node.SetSliceVisible(False)
    slice_node.SetOrientationToDefault()
    if instead is None or instead.GetImageData() is None:
        return
    flat = instead.GetImageData().GetDimensions()[2] == 1
    if flat and not _lies_in(slice_node, instead):
        align_slice(slice_node, instead)
    else:
        _cut_through(slice_node, instead)


def _lies_in(slice_node: Node, image: Node) -> bool:
    """Whether an image's columns and rows run as those of a slice view do now."""
    world_from_ijk, slice_to_ras = matrices.world_from_ijk(image), slice_node.GetSliceToRAS()
    for axis, sign in ((0, 1.0), (1, -1.0)):
        along = sign * world_from_ijk[:3, axis] / np.linalg.norm(world_from_ijk[:3, axis])
        if float(np.dot(along, [slice_to_ras.GetElement(row, axis) for row in range(3)])) < 1 - 1e-6:
            return False
    return True


def _cut_through(slice_node: Node, volume: Node) -> None:
    """Move a slice view that is not turned through a volume's middle, and show all of that."""
    bounds = [0.0] * 6
    volume.GetRASBounds(bounds)
    low, high = np.array(bounds[::2]), np.array(bounds[1::2])
    modified = slice_node.StartModify()
    slice_to_ras = slice_node.GetSliceToRAS()
    width, height = (
        float(np.dot([abs(slice_to_ras.GetElement(row, axis)) for row in range(3)], high - low)) for axis in range(2)
    )
    for row, value in enumerate((low + high) / 2):
        slice_to_ras.SetElement(row, 3, float(value))
    _fit(slice_node, width, height, 1.0)
    slice_node.UpdateMatrices()
    slice_node.EndModify(modified)


def _fit(slice_node: Node, width: float, height: float, thickness: float) -> None:
    """Center a slice view on its origin and let it show so many mm."""
    columns, rows = (max(1, n) for n in slice_node.GetDimensions()[:2])
    scale = _MARGIN * max(width / columns, height / rows)
    slice_node.SetFieldOfView(columns * scale, rows * scale, max(thickness, 1e-3))
    slice_node.SetXYZOrigin(0.0, 0.0, 0.0)


def align_slice(slice_node: Node, image: Node, *, fit: bool = True) -> None:
    """Lay a slice view into the plane of a one-slice volume: columns to the right, rows down.

    Args:
        slice_node: vtkMRMLSliceNode.
        image: volume node at the detector.
        fit: whether to center it and show all of it.
    """
    world_from_ijk = matrices.world_from_ijk(image)
    spacing = np.linalg.norm(world_from_ijk[:3, :3], axis=0)
    right = world_from_ijk[:3, 0] / spacing[0]
    up = -world_from_ijk[:3, 1] / spacing[1]
    up = up - (up @ right) * right  # columns and rows that are not quite at right angles
    up /= np.linalg.norm(up)
    width, height, _ = image.GetImageData().GetDimensions()
    middle = world_from_ijk @ [(width - 1) / 2, (height - 1) / 2, 0.0, 1.0]
    slice_to_ras = np.eye(4)
    slice_to_ras[:3, 0], slice_to_ras[:3, 1], slice_to_ras[:3, 2] = right, up, np.cross(right, up)
    slice_to_ras[:3, 3] = middle[:3]
    modified = slice_node.StartModify()
    slice_node.GetSliceToRAS().DeepCopy(matrices.to_vtk(slice_to_ras))
    if fit:
        _fit(slice_node, width * spacing[0], height * spacing[1], spacing[2])
    slice_node.UpdateMatrices()
    slice_node.EndModify(modified)


def _layers(pose_node: Node, index: int) -> tuple[Node, Node]:
    found = carm.carm_nodes(pose_node)
    if not 0 <= index < len(found.images):
        raise InputError(f"'{pose_node.GetName()}' has no view {index}: it has {len(found.images)}, counted from 0.")
    image, drr = found.images[index], found.drrs[index]
    for node, what in ((image, "X-ray"), (drr, "DRR")):
        if node is None:
            raise InputError(f"The {what} of '{pose_node.GetName()}' is not there (deleted?): register again.")
    return image, drr


def _comparison(pose_node: Node, index: int, mode: ComparisonMode) -> Node:
    """The volume node with a computed picture, made or renewed."""
    image, drr = _layers(pose_node, index)
    found = carm.carm_nodes(pose_node)
    mask, bone = found.masks[index], found.bone_drrs[index]
    pixels = detector.array_of(image)
    bones = None if bone is None else detector.array_of(bone)
    line_integrals = detector.array_of(drr)
    picture = compare(
        mode,
        pixels,
        line_integrals,
        np.ones(pixels.shape, bool) if mask is None else detector.array_of(mask) > 0,
        bones if bones is not None and bones.shape == line_integrals.shape else None,
    )
    view = carm.views(pose_node)[index]
    node = found.comparisons[index]
    if node is not None and node.IsA("vtkMRMLVectorVolumeNode") == (picture.ndim == 3):
        detector.put_image(node, picture, view)
    else:
        title = carm.view_title(pose_node, index)
        node = detector.add_image(nodes.scene_of(pose_node), picture, view, title, pose_node)
        carm.attach(pose_node, "Comparison", index, node)
    node.SetName(f"{carm.view_title(pose_node, index)} {_TITLES[mode]}")
    detector.set_window(node, 0, 255)
    carm.file_away(pose_node)
    return node
