"""A C-arm without X-ray, set by its numbers: its DRR at the detector, markups projected into it, and files of it.

It is a C-arm like those of registrations (:mod:`carm`), of one view; so the camera flies along its beam, and its pose
starts a registration. How bright the DRR is shown is its display node's: window and level as everywhere in Slicer,
gamma and inversion by a color table of its own. So all of it is saved with the scene, and voxels stay line integrals.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.carm_setting import CArmSetting, setting_of
from SphericalRegLib.imaging.gray_tone import GrayTone, window_of
from SphericalRegLib.io.drr_file import write_drr
from SphericalRegLib.scene import carm, detector, landmarks, matrices, models, nodes, poses, tables
from SphericalRegLib.scene.nodes import Node, Scene

_SETTING = "DRRCArm"
_GAMMA = "Gamma"
_FITTED = "FittedWindow"
_COLORS = 256
_PROJECTION_COLOR = (0.1, 0.9, 0.45)
# From so far a source is not shown: the beam is parallel.
_FAR_MM = 1e5
_PARTS = (
    ("Source", models.source, models.SOURCE_COLOR, 1.0),
    ("Detector", models.detector_frame, models.DETECTOR_COLOR, 1.0),
    ("Beam", models.beam, models.BEAM_COLOR, models.BEAM_OPACITY),
)


def add_drr_carm(scene: Scene, setting: CArmSetting, ct_node: Node, name: str) -> Node:
    """Put a C-arm over a CT into the scene; its DRR comes with :func:`put_drr`.

    Returns:
        The pose node: vtkMRMLLinearTransformNode world_from_rig.

    Raises:
        InputError: for a node that is no volume with voxels.
        GeometryError: for a setting that no C-arm has; nothing is added then.
    """
    center = ct_center(ct_node)
    view = setting.view(name)
    hub = poses.transform_from_pose(scene, setting.pose(center), name)
    nodes.set_data(hub, "Views", 1)
    carm.refer(hub, "CT", ct_node)
    nodes.set_data(hub, "Segments", [])
    title = hub.GetName()
    for role, shape, color, opacity in _PARTS:
        model = models.add_model(scene, shape(view), f"{title} {role.lower()}", hub, color, opacity)
        model.GetDisplayNode().SetBackfaceCulling(role == "Source")
        carm.attach(hub, role, 0, model)
    set_setting(hub, setting)
    carm.file_away(hub)
    return hub


def drr_carms(scene: Scene) -> list[Node]:
    """The pose nodes of all such C-arms in a scene, oldest first."""
    return nodes.nodes_with(scene, "vtkMRMLLinearTransformNode", _SETTING)


def is_drr_carm(node: Node | None) -> bool:
    """Whether a node is the pose of such a C-arm."""
    return node is not None and node.GetAttribute(nodes.PREFIX + _SETTING) is not None


def set_setting(pose_node: Node, setting: CArmSetting) -> None:
    """Move a C-arm to another setting: its pose, its geometry, and what is shown of them in 3D.

    Raises:
        InputError: for another node, or where its CT was deleted.
        GeometryError: for a setting that no C-arm has; nothing is moved then.
    """
    center = ct_center(_ct_of(pose_node))
    view = setting.view(pose_node.GetName())
    described = [detector.describe_view(view)]
    former = nodes.get_data(pose_node, "Geometry")
    # one event for all of it: each makes every view look anew
    modified = pose_node.StartModify()
    nodes.set_data(pose_node, _SETTING, asdict(setting))
    poses.set_pose(pose_node, setting.pose(center))
    pose_node.SetCenterOfTransformation(0.0, 0.0, view.sad or 0.0)
    pose_node.EndModify(modified)
    if former == described:
        return
    nodes.set_data(pose_node, "Geometry", described)
    for role, shape, _, _ in _PARTS:
        model = nodes.reference(pose_node, f"{role}.0")
        if model is not None:
            model.SetAndObservePolyData(shape(view))
            # a source that is a kilometer away would make the 3D view look at that
            model.GetDisplayNode().SetVisibility3D(view.sdd < _FAR_MM or role == "Detector")


def get_setting(pose_node: Node) -> CArmSetting:
    """The setting where a C-arm is now, whatever moved it: its numbers, its handles, or another parent transform.

    Raises:
        InputError: for another node, or where its CT was deleted.
        GeometryError: for a pose under a transform that is not rigid.
    """
    kept = nodes.get_data(pose_node, _SETTING)
    if kept is None:
        raise InputError(f"'{pose_node.GetName()}' is no C-arm of a DRR: choose one.")
    setting, center = CArmSetting(**kept), ct_center(_ct_of(pose_node))
    pose = poses.pose_from_transform(pose_node)
    if float((pose - setting.pose(center)).abs().max()) < 1e-6:
        return setting
    return setting_of(carm.views(pose_node)[0], pose, center)


def ct_center(ct_node: Node | None) -> Tensor:
    """(3,) world RAS mm of the middle of a CT's voxels: what is in the isocenter while the table is not shifted.

    Raises:
        InputError: for a node that is no volume with voxels.
        GeometryError: for a volume under a transform that is not linear.
    """
    nodes.require(ct_node, "vtkMRMLScalarVolumeNode", "CT volume")
    assert ct_node is not None
    image = ct_node.GetImageData()
    if image is None or image.GetNumberOfPoints() == 0:
        raise InputError(f"The CT '{ct_node.GetName()}' is empty: load its voxels first.")
    middle = [(size - 1) / 2 for size in image.GetDimensions()]
    return torch.from_numpy((matrices.world_from_ijk(ct_node) @ [*middle, 1.0])[:3].copy())


def drr_node(pose_node: Node) -> Node | None:
    """The volume node with the DRR of a C-arm's first view, or None."""
    return nodes.reference(pose_node, "DRR.0")


def put_drr(pose_node: Node, image: np.ndarray) -> Node:
    """Show a DRR (h, w) of line integrals over all of the detector; returns its node.

    The window shows all of it, until somebody else sets one; after :func:`fit_window` it follows again.

    Raises:
        InputError: for another node, or an image without pixels.
    """
    pixels = np.ascontiguousarray(image, dtype=np.float32)
    if pixels.ndim != 2 or pixels.size == 0:
        raise InputError(f"A DRR is (H, W), not {pixels.shape}.")
    view, node = carm.views(pose_node)[0], drr_node(pose_node)
    if node is not None:
        detector.put_image(node, pixels, view)
        shown, fitted = tone(pose_node), nodes.get_data(pose_node, _FITTED)
        if fitted is not None and np.allclose([shown.low, shown.high], fitted, rtol=1e-3, atol=1e-3):
            fit_window(pose_node)
        return node
    node = detector.add_image(nodes.scene_of(pose_node), pixels, view, f"{pose_node.GetName()} DRR", pose_node)
    carm.attach(pose_node, "DRR", 0, node)
    carm.file_away(pose_node)
    fit_window(pose_node)
    return node


def fit_window(pose_node: Node) -> None:
    """Let the DRR's window show all that the CT casts a shadow on, also when it is drawn anew.

    Raises:
        InputError: where there is no DRR.
    """
    node = _drawn(pose_node)
    detector.set_window(node, *window_of(detector.array_of(node)))
    shown = tone(pose_node)
    nodes.set_data(pose_node, _FITTED, [shown.low, shown.high])


def set_window(pose_node: Node, low: float, high: float) -> None:
    """The line integrals that are black and white.

    Raises:
        InputError: where there is no DRR.
    """
    detector.set_window(_drawn(pose_node), low, high)


def set_curve(pose_node: Node, gamma: float, inverted: bool) -> None:
    """How gray runs between black and white: see :class:`~SphericalRegLib.imaging.gray_tone.GrayTone`.

    Raises:
        InputError: for a gamma that is not above 0, or where there is no DRR.
    """
    node, curve = _drawn(pose_node), GrayTone(0.0, 1.0, gamma, inverted)
    if nodes.get_data(pose_node, _GAMMA) == [gamma, inverted] and nodes.reference(pose_node, "GrayScale.0") is not None:
        return
    table = nodes.reference(pose_node, "GrayScale.0")
    if table is None:
        scene = nodes.scene_of(pose_node)
        table = nodes.add_hidden(
            scene, "vtkMRMLColorTableNode", nodes.unique_name(scene, f"{pose_node.GetName()} gray scale")
        )
        table.SetTypeToUser()
        table.SetNumberOfColors(_COLORS)
        carm.attach(pose_node, "GrayScale", 0, table)
    modified = table.StartModify()
    for index, gray in enumerate(curve.share(np.linspace(0, 1, _COLORS))):
        table.SetColor(index, f"{index}", float(gray), float(gray), float(gray), 1.0)
    table.EndModify(modified)
    nodes.set_data(pose_node, _GAMMA, [gamma, inverted])
    node.GetDisplayNode().SetAndObserveColorNodeID(table.GetID())


def tone(pose_node: Node) -> GrayTone:
    """How a C-arm's DRR is shown now: by numbers, the mouse, or Slicer's own panels.

    Raises:
        InputError: where there is no DRR.
    """
    display = _drawn(pose_node).GetDisplayNode()
    gamma, inverted = nodes.get_data(pose_node, _GAMMA) or [1.0, False]
    window, level = max(float(display.GetWindow()), 1e-9), float(display.GetLevel())
    return GrayTone(level - window / 2, level + window / 2, float(gamma), bool(inverted))


def save(pose_node: Node, path: str | Path) -> Path:
    """Write the DRR as PNG, NRRD or DICOM by the file's ending, and its calibration beside it. Returns that one's path.

    Raises:
        InputError: where there is no DRR, it is not drawn with all pixels yet, or it cannot be written.
        GeometryError: for what the format cannot describe: see :func:`~SphericalRegLib.io.drr_file.write_drr`.
    """
    image = detector.array_of(_drawn(pose_node))
    return write_drr(path, image, carm.views(pose_node)[0], poses.pose_from_transform(pose_node), tone(pose_node))


def project(pose_node: Node, markups: Node | None) -> Node | None:
    """Show where the points of a markups node are seen: crosses at the detector, and a table of pixels.

    Points behind the source are nowhere, those beside the detector are in the table only.

    Args:
        pose_node: of the C-arm.
        markups: vtkMRMLMarkupsNode; None takes crosses and table away.

    Returns:
        The table node (columns Point, u, v, Inside), or None.

    Raises:
        InputError: for another node, or points without names of their own.
    """
    table, crosses = nodes.reference(pose_node, "ProjectionTable.0"), nodes.reference(pose_node, "Projections.0")
    points = {} if markups is None else landmarks.landmarks_from_markups(markups)
    if not points:
        for node in (table, crosses):
            nodes.remove_node(node)
        return None
    view, pose = carm.views(pose_node)[0], poses.pose_from_transform(pose_node)
    world = torch.from_numpy(np.array(list(points.values())))
    ahead = se3.transform_points(view.camera_from_world(pose), world)[:, 2] > 0
    pixels = {
        name: (float(u), float(v))
        for (name, (u, v)), seen in zip(
            zip(points, view.project(world, pose).tolist(), strict=True), ahead, strict=True
        )
        if seen
    }
    inside = {
        name: place
        for name, place in pixels.items()
        if -0.5 <= place[0] <= view.width - 0.5 and -0.5 <= place[1] <= view.height - 0.5
    }
    scene, title = nodes.scene_of(pose_node), pose_node.GetName()
    if crosses is None:
        crosses = landmarks.markups_from_landmarks(scene, {}, f"{title} projected markups")
        landmarks.style(crosses, _PROJECTION_COLOR, "ThickCross2D", size=2.0)
        landmarks.label_in_slices_only(crosses)
        landmarks.show_names(crosses, True)
        crosses.SetAndObserveTransformNodeID(pose_node.GetID())
        carm.attach(pose_node, "Projections", 0, crosses)
    places = detector.rig_from_pixels(view, np.array(list(inside.values())))
    landmarks.set_points(crosses, dict(zip(inside, places, strict=True)))
    columns: dict[str, Any] = {
        "Point": list(points),
        "u": [f"{pixels[name][0]:.2f}" if name in pixels else "" for name in points],
        "v": [f"{pixels[name][1]:.2f}" if name in pixels else "" for name in points],
        "Inside": ["yes" if name in inside else "no" for name in points],
    }
    if table is None:
        table = tables.add_table(scene, f"{title} projected markups", columns, _UNITS, _MEANINGS)
        carm.attach(pose_node, "ProjectionTable", 0, table)
        carm.file_away(pose_node)
    else:
        tables.set_columns(table, columns)
    return table


_UNITS = {"u": "px", "v": "px"}
_MEANINGS = {
    "u": "Column in the picture, the first one's center at 0",
    "v": "Row in the picture, the first one's center at 0",
    "Inside": "Whether it falls on the detector",
}


def _ct_of(pose_node: Node) -> Node:
    ct = nodes.reference(pose_node, "CT")
    if ct is None:
        raise InputError(f"The CT of '{pose_node.GetName()}' was deleted: choose a CT.")
    return ct


def _drawn(pose_node: Node) -> Node:
    node = drr_node(pose_node)
    if node is None:
        raise InputError(f"'{pose_node.GetName()}' has no DRR yet: wait until it is drawn, or choose a CT.")
    return node
