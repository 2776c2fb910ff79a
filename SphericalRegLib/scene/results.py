"""Results of registrations in the scene: one pose node each, with verdict and figures, never overwritten.

What ``result.json`` holds is kept with the pose node, so a scene tells by itself how its poses came about. If the node
or the CT is moved later, :func:`moved_since` tells that the figures no longer hold.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.view import View
from SphericalRegLib.reporting.landmark_errors import LandmarkError, landmark_errors, means
from SphericalRegLib.reporting.outcome import Outcome
from SphericalRegLib.scene import carm, detector, landmarks, models, nodes, poses, tables
from SphericalRegLib.scene.nodes import Node, Scene

_RECORD = "Result"
_PLACED = "CTWorldFromIJK"
_DEFAULT_NAME = "Registration"
# Less is rounding.
_MOVED_DEGREES, _MOVED_MM = 0.01, 0.01

_LANDMARK_COLOR = (1.0, 0.85, 0.1)
_PROJECTION_COLOR = (0.1, 0.9, 0.45)
_MARK_COLOR = (1.0, 0.45, 0.1)
_LINE_RADIUS = 0.6


def add_result(
    scene: Scene,
    outcome: Outcome,
    drrs: Sequence[np.ndarray],
    name: str | None = None,
    *,
    bones: Sequence[np.ndarray] = (),
    ct_node: Node | None = None,
    xray_nodes: Sequence[Node | None] = (),
    points: Mapping[str, Any] | None = None,
    marked: Sequence[Mapping[str, Any]] = (),
    truth: Tensor | None = None,
) -> Node:
    """Put a finished registration into the scene, beside those that are there.

    Args:
        scene: to add it to.
        outcome: of the registration.
        drrs: for each view (H, W) line integrals at the result.
        name: of the pose node, made unique; "Registration" by default.
        bones: for each view the DRR of the bones alone.
        ct_node, xray_nodes: what was registered.
        points, marked, truth: as for :func:`record_result`.

    Returns:
        The pose node.

    Raises:
        InputError: for another number of DRRs, or landmarks that do not fit; nothing is left in the scene then.
        GeometryError: for a pose that is not rigid.
    """
    count = len(outcome.xrays)
    for what, images in (("DRRs", drrs), ("DRRs of bones", bones or drrs)):
        if len(images) != count:
            raise InputError(f"There are {len(images)} {what} for {count} X-rays: give one for each.")
    hub = carm.add_carm(
        scene, outcome.xrays, outcome.result.pose, name or _DEFAULT_NAME, ct_node=ct_node, xray_nodes=xray_nodes
    )
    try:
        for index, drr in enumerate(drrs):
            carm.set_drr(hub, index, drr, bones[index] if bones else None)
        record_result(hub, outcome, points=points, marked=marked, truth=truth)
    except Exception:
        carm.remove_carm(hub)
        raise
    return hub


def record_result(
    pose_node: Node,
    outcome: Outcome,
    *,
    points: Mapping[str, Any] | None = None,
    marked: Sequence[Mapping[str, Any]] = (),
    truth: Tensor | None = None,
) -> None:
    """Make a C-arm in the scene the bearer of a finished registration.

    Args:
        pose_node: of the C-arm; moved to the result's pose.
        outcome: of the registration.
        points: landmarks of the CT, {name: (3,) world mm}.
        marked: for each view {name: (u, v)} as marked in the X-ray.
        truth: (4, 4) rig_from_world, for errors.

    Raises:
        InputError: for a C-arm of other views, marks of unknown landmarks, or a C-arm that already bears a result.
    """
    if nodes.get_data(pose_node, _RECORD) is not None:
        raise InputError(f"'{pose_node.GetName()}' is a result already: add the new one beside it.")
    views = carm.views(pose_node)
    if len(views) != len(outcome.xrays):
        raise InputError(f"'{pose_node.GetName()}' has {len(views)} views, the registration {len(outcome.xrays)}.")
    result = outcome.result
    rows = landmark_errors(result.pose, views, points, marked, truth) if points else []
    poses.set_pose(pose_node, result.pose)
    content = outcome.content()
    content["landmark_errors_mm"] = {key: _finite(value) for key, value in means(rows).items()}
    content["landmarks"] = [_described(row) for row in rows]
    nodes.set_data(pose_node, _RECORD, content)
    placed = carm.ct_matrix(pose_node)
    nodes.set_data(pose_node, _PLACED, None if placed is None else placed.tolist())
    scene, name = nodes.scene_of(pose_node), pose_node.GetName()
    if points and rows:
        _show_landmarks(pose_node, points, marked, rows)
        titles = [f"X-ray {index + 1}" for index in range(len(views))]
        table = tables.add_error_table(scene, f"{name} landmark errors", rows, titles)
        carm.attach(pose_node, "ErrorTable", None, table)
    if result.history:
        costs = tables.add_cost_table(scene, f"{name} cost", result.history)
        carm.attach(pose_node, "CostTable", None, costs)
        carm.attach(pose_node, "CostChart", None, tables.add_cost_chart(scene, f"{name} cost plot", costs))
    pose_node.SetDescription(verdict_words(pose_node))
    carm.file_away(pose_node)


def results(scene: Scene) -> list[Node]:
    """The pose nodes of all results in a scene, oldest first."""
    return nodes.nodes_with(scene, "vtkMRMLLinearTransformNode", _RECORD)


def record(pose_node: Node) -> dict[str, Any] | None:
    """What ``result.json`` holds of a result, and "landmark_errors_mm"; None for a C-arm without a result."""
    found = nodes.get_data(pose_node, _RECORD)
    return found if isinstance(found, dict) else None


def verdict_words(pose_node: Node) -> str:
    """One line for a user: accepted or not, and why.

    Raises:
        InputError: for a node that bears no result.
    """
    content = record(pose_node)
    if content is None:
        raise InputError(f"'{pose_node.GetName()}' bears no result: register first.")
    said = " ".join([*content["reasons"], *content["cautions"]])
    words = content.get("verdict", "accepted" if content["accepted"] else "rejected")
    return f"{words.capitalize()}. {said or 'No check failed.'}"


def moved_since(pose_node: Node) -> tuple[float, float]:
    """How far CT and C-arm have moved against each other since the registration: degrees, and mm at the isocenter.

    Anything but 0 (to rounding: 1e-6) means that verdict, errors and pictures are of another pose. A CT that was
    deleted does not count as moved.

    Raises:
        InputError: for a node that bears no result.
        GeometryError: where the pose or the CT hangs under a transform that is not linear.
    """
    content = record(pose_node)
    if content is None:
        raise InputError(f"'{pose_node.GetName()}' bears no result: register first.")
    now = poses.pose_from_transform(pose_node)
    then = torch.tensor(content["pose_rig_from_world_ras_mm"], dtype=torch.float64)
    before, placed = ct_matrix_then(pose_node), carm.ct_matrix(pose_node)
    if before is not None and placed is not None:
        # what was at a place of the world when it was registered, and where it is now
        now = now @ torch.from_numpy(placed @ np.linalg.inv(before))
    center = torch.tensor(content["isocenter_world_ras_mm"], dtype=torch.float64)
    shift = se3.transform_points(now, center[None]) - se3.transform_points(then, center[None])
    difference = (now[:3, :3] - then[:3, :3]).norm()
    # ‖R_a − R_b‖ = 2√2 sin(θ/2)
    angle = 2 * torch.asin((difference / 8**0.5).clamp(max=1.0))
    return float(torch.rad2deg(angle)), float(shift.norm())


def ct_matrix_then(pose_node: Node) -> np.ndarray | None:
    """(4, 4) where a result's CT lay when it was registered: world RAS mm of its voxels; None without a CT."""
    found = nodes.get_data(pose_node, _PLACED)
    return None if found is None else np.array(found)


def has_moved(pose_node: Node) -> bool:
    """Whether CT and C-arm have moved against each other by more than rounding: see :func:`moved_since`."""
    degrees, millimeters = moved_since(pose_node)
    return degrees > _MOVED_DEGREES or millimeters > _MOVED_MM


def refresh_projections(pose_node: Node) -> None:
    """Hide a result's projected landmarks and error lines where it was moved since, for they are of the pose before.

    Otherwise they are as visible as its detector.
    """
    found = carm.carm_nodes(pose_node)
    for detector_node, *drawn in zip(found.detectors, found.projections, found.error_lines, strict=True):
        shown = detector_node is None or bool(detector_node.GetDisplayVisibility())
        for node in drawn:
            if node is not None:
                node.SetDisplayVisibility(shown and not has_moved(pose_node))


def _described(row: LandmarkError) -> dict[str, Any]:
    """A landmark's errors as JSON; what is not known, or infinite, is null."""
    return {key: _finite(value) for key, value in vars(row).items()}


def _finite(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _show_landmarks(
    pose_node: Node, points: Mapping[str, Any], marked: Sequence[Mapping[str, Any]], rows: Sequence[LandmarkError]
) -> None:
    scene, name = nodes.scene_of(pose_node), pose_node.GetName()
    targets = landmarks.markups_from_landmarks(scene, points, f"{name} landmarks")
    landmarks.style(targets, _LANDMARK_COLOR, "Sphere3D")
    carm.attach(pose_node, "Landmarks", None, targets)
    views = carm.views(pose_node)
    for index, view in enumerate(views):
        title = carm.view_title(pose_node, index)
        seen = {row.name: row.projected for row in rows if row.view == index and _on(view, row.projected)}
        projected = _on_detector(pose_node, index, view, seen, f"{title} projected landmarks")
        landmarks.style(projected, _PROJECTION_COLOR, "ThickCross2D", size=2.0)
        landmarks.label_in_slices_only(projected)
        carm.attach(pose_node, "Projections", index, projected)
        places = marked[index] if marked else {}
        if not places:
            continue
        marks = _on_detector(pose_node, index, view, places, f"{title} marked landmarks")
        landmarks.style(marks, _MARK_COLOR, "Circle2D", size=2.0, text=0.0)
        carm.attach(pose_node, "Marked", index, marks)
        ends = [(key, seen[key], places[key]) for key in places if key in seen]
        segments = [
            (detector.rig_from_pixels(view, np.array(a))[0], detector.rig_from_pixels(view, np.array(b))[0])
            for _, a, b in ends
        ]
        lines = models.add_model(
            scene, models.tubes(segments, _LINE_RADIUS), f"{title} error lines", pose_node, models.ERROR_COLOR
        )
        lines.GetDisplayNode().SetVisibility2D(True)
        carm.attach(pose_node, "ErrorLines", index, lines)


def _on(view: View, pixel: tuple[float, float]) -> bool:
    """Whether a projection lies on the detector: elsewhere it is nothing to look at."""
    return -0.5 <= pixel[0] <= view.width - 0.5 and -0.5 <= pixel[1] <= view.height - 0.5


def _on_detector(pose_node: Node, index: int, view: View, places: Mapping[str, Any], name: str) -> Node:
    """Markups under the pose node, at pixels {name: (u, v)} of a view's detector."""
    node = landmarks.markups_from_landmarks(nodes.scene_of(pose_node), {}, name)
    names = list(places)
    spots = detector.rig_from_pixels(view, np.array([[float(x) for x in places[key]] for key in names]))
    landmarks.set_points(node, dict(zip(names, spots, strict=True)))
    node.SetAndObserveTransformNodeID(pose_node.GetID())
    return node
