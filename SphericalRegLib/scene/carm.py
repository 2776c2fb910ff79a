"""A C-arm in the scene: a pose node, and under it the X-rays and DRRs at their detectors, source, detector and beam.

The pose node is the hub. It refers to everything that belongs to it, with the view's number in the role's name, so that
all of it is found again after saving and loading; and each X-ray's image carries its view.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from SphericalRegLib.errors import GeometryError, InputError
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.view import View
from SphericalRegLib.imaging.xray import XRay
from SphericalRegLib.scene import detector, matrices, models, nodes, poses
from SphericalRegLib.scene.nodes import Node, Scene

# What a C-arm has once for each view, in the words for a user; then what it has once.
_OF_A_VIEW = {
    "XRay": "X-ray",
    "Image": "X-ray at the detector",
    "Mask": "usable pixels",
    "DRR": "DRR",
    "BoneDRR": "DRR of the bones",
    "Source": "X-ray source",
    "Detector": "detector",
    "Beam": "beam",
    "Marked": "landmarks marked in the X-ray",
    "Projections": "projected landmarks",
    "ErrorLines": "error lines",
    "Comparison": "comparison picture",
    "GrayScale": "gray scale",
    "ProjectionTable": "table of projected markups",
}
_ONCE = {
    "CT": "CT",
    "Segmentation": "segmentation",
    "Landmarks": "landmarks",
    "ErrorTable": "table of landmark errors",
    "CostTable": "table of costs",
    "CostChart": "plot of costs",
}
# The user's own: neither made nor removed here.
_INPUTS = ("CT", "Segmentation", "XRay")


@dataclass(frozen=True)
class CArmNodes:
    """The nodes of one C-arm; lists have one entry for each view, None for what is not there."""

    pose: Node
    ct: Node | None
    segmentation: Node | None = None
    segments: list[str] = field(default_factory=list)
    xrays: list[Node | None] = field(default_factory=list)
    images: list[Node | None] = field(default_factory=list)
    masks: list[Node | None] = field(default_factory=list)
    drrs: list[Node | None] = field(default_factory=list)
    bone_drrs: list[Node | None] = field(default_factory=list)
    sources: list[Node | None] = field(default_factory=list)
    detectors: list[Node | None] = field(default_factory=list)
    beams: list[Node | None] = field(default_factory=list)
    marked: list[Node | None] = field(default_factory=list)
    projections: list[Node | None] = field(default_factory=list)
    error_lines: list[Node | None] = field(default_factory=list)
    comparisons: list[Node | None] = field(default_factory=list)
    landmarks: Node | None = None
    error_table: Node | None = None
    cost_table: Node | None = None
    cost_chart: Node | None = None


def add_carm(
    scene: Scene,
    xrays: Sequence[XRay],
    pose: Tensor,
    name: str,
    *,
    ct_node: Node | None = None,
    xray_nodes: Sequence[Node | None] = (),
    segmentation: Node | None = None,
    segments: Sequence[str] = (),
) -> Node:
    """Put a C-arm into the scene, with copies of its X-rays at the detectors. The nodes given are left as they are.

    Args:
        scene: to add it to.
        xrays: one for each view of the rig.
        pose: (4, 4) rig_from_world, RAS mm.
        name: of the pose node, made unique.
        ct_node, xray_nodes: what was registered, to be referred to.
        segmentation, segments: the bones that were registered, where it was not the whole CT.

    Returns:
        The pose node: vtkMRMLLinearTransformNode world_from_rig.

    Raises:
        InputError: without an X-ray, or for another number of X-ray nodes.
        GeometryError: for a pose that is not rigid, or a view of another size than its image; nothing is added then.
    """
    if not xrays:
        raise InputError("There is no X-ray to show: choose one.")
    if xray_nodes and len(xray_nodes) != len(xrays):
        raise InputError(f"There are {len(xray_nodes)} X-ray nodes for {len(xrays)} X-rays: give one for each.")
    for xray in xrays:
        if xray.image.shape != (xray.view.height, xray.view.width):
            size = (xray.view.height, xray.view.width)
            raise GeometryError(
                f"The X-ray '{xray.path}' is {xray.image.shape}, its geometry for {size}: give that of this image."
            )
    hub = poses.transform_from_pose(scene, pose, name)
    _turn_about_patient(hub, pose, ct_node, xrays[0])
    nodes.set_data(hub, "Views", len(xrays))
    refer(hub, "CT", ct_node)
    if segments:
        refer(hub, "Segmentation", segmentation)
    nodes.set_data(hub, "Segments", list(segments))
    for index, xray in enumerate(xrays):
        title = view_title(hub, index)
        refer(hub, f"XRay.{index}", xray_nodes[index] if xray_nodes else None)
        _add_xray(scene, hub, index, xray, title)
        for role, shape, color, opacity in (
            ("Source", models.source(xray.view), models.SOURCE_COLOR, 1.0),
            ("Detector", models.detector_frame(xray.view), models.DETECTOR_COLOR, 1.0),
            ("Beam", models.beam(xray.view), models.BEAM_COLOR, models.BEAM_OPACITY),
        ):
            model = models.add_model(scene, shape, f"{title} {role.lower()}", hub, color, opacity)
            # a camera in the source looks out of the ball
            model.GetDisplayNode().SetBackfaceCulling(role == "Source")
            attach(hub, role, index, model)
    _file(hub)
    return hub


def view_title(pose_node: Node, index: int) -> str:
    """What the nodes of one view are called: the pose's name, and the view's number where there are several."""
    name = str(pose_node.GetName())
    return name if view_count(pose_node) == 1 else f"{name} view {index + 1}"


def set_drr(pose_node: Node, index: int, drr: np.ndarray, bone: np.ndarray | None = None) -> None:
    """Show a DRR at a view's detector: the first one adds a node, later ones replace its pixels.

    Args:
        pose_node: of the C-arm.
        index: of the view.
        drr: (H, W) line integrals, of the X-ray's size or of another number of pixels over the same detector.
        bone: the same of the bones alone, for drawing their edges.

    Raises:
        InputError: for a view that is not there, or an image without pixels.
    """
    view = views(pose_node)[_checked_index(pose_node, index)]
    for role, image in (("DRR", drr), ("BoneDRR", bone)):
        if image is None:
            continue
        pixels = np.ascontiguousarray(image, dtype=np.float32)
        if pixels.ndim != 2 or pixels.size == 0:
            raise InputError(f"A DRR is (H, W), not {pixels.shape}.")
        node = nodes.reference(pose_node, f"{role}.{index}")
        if node is not None:
            detector.put_image(node, pixels, view)
        else:
            title = view_title(pose_node, index)
            words = "DRR" if role == "DRR" else "DRR of bones"
            scene, hidden = nodes.scene_of(pose_node), role != "DRR"
            node = detector.add_image(scene, pixels, view, f"{title} {words}", pose_node, hidden)
            attach(pose_node, role, index, node)
            _file(pose_node)
        detector.set_window(node, *np.percentile(_compared(pose_node, index, pixels), [0.5, 99.5]))


def carm_nodes(pose_node: Node) -> CArmNodes:
    """All nodes of a C-arm.

    Raises:
        InputError: for a node that is not the pose of a C-arm in the scene.
    """
    count = view_count(pose_node)

    def of_views(role: str) -> list[Node | None]:
        return [nodes.reference(pose_node, f"{role}.{index}") for index in range(count)]

    return CArmNodes(
        pose=pose_node,
        ct=nodes.reference(pose_node, "CT"),
        segmentation=nodes.reference(pose_node, "Segmentation"),
        segments=nodes.get_data(pose_node, "Segments") or [],
        xrays=of_views("XRay"),
        images=of_views("Image"),
        masks=of_views("Mask"),
        drrs=of_views("DRR"),
        bone_drrs=of_views("BoneDRR"),
        sources=of_views("Source"),
        detectors=of_views("Detector"),
        beams=of_views("Beam"),
        marked=of_views("Marked"),
        projections=of_views("Projections"),
        error_lines=of_views("ErrorLines"),
        comparisons=of_views("Comparison"),
        landmarks=nodes.reference(pose_node, "Landmarks"),
        error_table=nodes.reference(pose_node, "ErrorTable"),
        cost_table=nodes.reference(pose_node, "CostTable"),
        cost_chart=nodes.reference(pose_node, "CostChart"),
    )


def view_count(pose_node: Node) -> int:
    """How many views a C-arm has.

    Raises:
        InputError: for a node that is not the pose of a C-arm in the scene.
    """
    nodes.require(pose_node, "vtkMRMLLinearTransformNode", "registration")
    count = nodes.get_data(pose_node, "Views")
    if not isinstance(count, int):
        raise InputError(f"The transform '{pose_node.GetName()}' was not made by a registration: choose one that was.")
    return count


def carms(scene: Scene) -> list[Node]:
    """The pose nodes of all C-arms in a scene, with results or without, oldest first."""
    return nodes.nodes_with(scene, "vtkMRMLLinearTransformNode", "Views")


def carm_of_image(volume: Node | None) -> Node | None:
    """The C-arm that a volume was made for, as X-ray, DRR or comparison; None for a user's own and for no volume."""
    if volume is None:
        return None
    hub = volume.GetParentTransformNode()
    if hub is None or nodes.get_data(hub, "Views") is None:
        return None
    return hub if any(one.GetID() == volume.GetID() for one in belongings(hub)) else None


def is_without_xray(pose_node: Node, index: int) -> bool:
    """Whether a view never had an X-ray: its C-arm is moved by its numbers (:mod:`drr_carm`).

    Raises:
        InputError: for a view that is not there.
    """
    return f"Image.{_checked_index(pose_node, index)}" not in (nodes.get_data(pose_node, "Filled") or [])


def views(pose_node: Node) -> list[View]:
    """The C-arm's projection geometry, every digit, also after loading the scene."""
    return [detector.view_described(one) for one in nodes.get_data(pose_node, "Geometry")[: view_count(pose_node)]]


def missing(pose_node: Node) -> list[str]:
    """In words, what belonged to a C-arm and was deleted since."""
    filled = nodes.get_data(pose_node, "Filled") or []
    gone = [role for role in filled if nodes.reference(pose_node, role) is None]
    count = view_count(pose_node)
    words = []
    for role in gone:
        name, _, number = role.partition(".")
        if name in _ONCE:
            words.append(_ONCE[name])
        else:
            words.append(_OF_A_VIEW[name] if count == 1 else f"{_OF_A_VIEW[name]} of view {int(number) + 1}")
    return words


def remove_carm(pose_node: Node) -> None:
    """Remove a C-arm with everything made for it; CT and X-rays stay."""
    made = belongings(pose_node)
    nodes.scene_of(pose_node)
    for node in made:
        nodes.remove_node(node)
    nodes.remove_folder(pose_node)
    nodes.remove_node(pose_node)


def set_visible(pose_node: Node, visible: bool) -> None:
    """Show or hide all that a C-arm has in the 3D views."""
    for node in belongings(pose_node):
        if node.IsA("vtkMRMLModelNode") or node.IsA("vtkMRMLMarkupsNode"):
            node.SetDisplayVisibility(visible)


def show_only(pose_node: Node) -> None:
    """Show one C-arm with its landmarks in the 3D views, and hide all the others."""
    for other in carms(nodes.scene_of(pose_node)):
        set_visible(other, other.GetID() == pose_node.GetID())


def refer(pose_node: Node, role: str, node: Node | None) -> None:
    """Let a C-arm refer to an input, which stays when the C-arm is removed."""
    nodes.set_reference(pose_node, role, node)
    if node is not None:
        nodes.mark_filled(pose_node, role)


def attach(pose_node: Node, role: str, index: int | None, node: Node) -> None:
    """Let a C-arm refer to a node made for it; what had this place before is removed."""
    key = role if index is None else f"{role}.{index}"
    nodes.remove_node(nodes.reference(pose_node, key))
    nodes.set_reference(pose_node, key, node)
    nodes.mark_filled(pose_node, key)


def file_away(pose_node: Node) -> None:
    """Put all nodes of a C-arm into its folder of the subject hierarchy."""
    _file(pose_node)


def ct_matrix(pose_node: Node) -> np.ndarray | None:
    """(4, 4) where the C-arm's CT lies now: world RAS mm of its voxels; None where it was deleted."""
    ct = nodes.reference(pose_node, "CT")
    return None if ct is None else matrices.world_from_ijk(ct)


def _turn_about_patient(hub: Node, pose: Tensor, ct_node: Node | None, xray: XRay) -> None:
    """Put the handles for dragging at the patient: in the source, where the rig's frame begins, nobody finds them."""
    if ct_node is not None and ct_node.GetImageData() is not None:
        bounds = [0.0] * 6
        ct_node.GetRASBounds(bounds)
        middle = torch.tensor([(bounds[2 * n] + bounds[2 * n + 1]) / 2 for n in range(3)], dtype=torch.float64)
        center = se3.transform_points(pose.detach().cpu().double(), middle[None])[0]
    else:
        depth = xray.view.sad or 0.7 * xray.view.sdd
        in_camera = torch.tensor([[0.0, 0.0, depth]], dtype=torch.float64)
        center = se3.transform_points(se3.inverse(xray.view.camera_from_rig), in_camera)[0]
    hub.SetCenterOfTransformation(*center.tolist())


def _add_xray(scene: Scene, hub: Node, index: int, xray: XRay, title: str) -> None:
    image = detector.add_image(scene, xray.image.astype(np.float32), xray.view, f"{title} X-ray", hub)
    seen = xray.image[xray.mask] if xray.mask.any() else xray.image
    detector.set_window(image, *np.percentile(seen, [0.5, 99.5]))
    described = [*(nodes.get_data(hub, "Geometry") or []), detector.describe_view(xray.view)]
    nodes.set_data(hub, "Geometry", described)
    attach(hub, "Image", index, image)
    mask = detector.add_image(scene, xray.mask.astype(np.uint8), xray.view, f"{title} usable pixels", hub, hidden=True)
    attach(hub, "Mask", index, mask)


def _compared(pose_node: Node, index: int, drr: np.ndarray) -> np.ndarray:
    """(N,) values of a DRR where it shows something and the X-ray is usable: what its window is for."""
    mask = nodes.reference(pose_node, f"Mask.{index}")
    shown = drr > 1e-3 * float(drr.max())
    if mask is not None:
        usable = detector.array_of(mask)
        rows = ((np.arange(drr.shape[0]) + 0.5) * usable.shape[0] / drr.shape[0]).astype(int)
        columns = ((np.arange(drr.shape[1]) + 0.5) * usable.shape[1] / drr.shape[1]).astype(int)
        both = shown & (usable[np.ix_(rows, columns)] > 0)
        shown = both if both.any() else shown
    return drr[shown] if shown.any() else drr.ravel()


def _checked_index(pose_node: Node, index: int) -> int:
    count = view_count(pose_node)
    if not 0 <= index < count:
        raise InputError(f"'{pose_node.GetName()}' has no view {index}: it has {count}, counted from 0.")
    return index


def belongings(pose_node: Node) -> list[Node]:
    """All that was made for a C-arm and is still there; without the pose node and the inputs."""
    count = view_count(pose_node)
    roles = [role for role in _ONCE if role not in _INPUTS]
    roles += [f"{role}.{index}" for role in _OF_A_VIEW if role not in _INPUTS for index in range(count)]
    found = [nodes.reference(pose_node, role) for role in roles]
    series = []
    chart = nodes.reference(pose_node, "CostChart")
    if chart is not None:
        series = [chart.GetNthPlotSeriesNode(n) for n in range(chart.GetNumberOfPlotSeriesNodes())]
    return [node for node in [*found, *series] if node is not None]


def _file(pose_node: Node) -> None:
    listed = [node for node in belongings(pose_node) if not node.GetHideFromEditors()]
    nodes.put_in_folder(pose_node, pose_node.GetName(), listed)
