"""Cameras of the 3D views: along the beam, and an overview of the C-arm."""

from __future__ import annotations

import math

import numpy as np

from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry import se3
from SphericalRegLib.scene import carm, detector, nodes, poses
from SphericalRegLib.scene.nodes import Node

_OVERVIEW_ANGLE = 30.0
# Of the view's size that is left for a margin, texts included.
_ROOM = 1.15


def look_along_beam(camera_node: Node, pose_node: Node, index: int = 0, aspect: float = 1.0) -> None:
    """Put a 3D view's camera where the X-ray source is, looking along the ray that hits the detector squarely.

    A thing in the view then lies over what it casts its shadow on. All of the detector is seen; the image's upper edge
    is up. A camera cannot mirror: of an X-ray that is stored mirrored the view shows the mirror image.

    Args:
        camera_node: vtkMRMLCameraNode.
        pose_node: of the C-arm.
        index: of the X-ray's view.
        aspect: width over height of the 3D view.

    Raises:
        InputError: for another node or view.
    """
    nodes.require(camera_node, "vtkMRMLCameraNode", "camera")
    views = carm.views(pose_node)
    if not 0 <= index < len(views):
        raise InputError(f"'{pose_node.GetName()}' has no view {index}: it has {len(views)}, counted from 0.")
    view = views[index]
    world_from_camera = se3.inverse(view.camera_from_world(poses.pose_from_transform(pose_node))).numpy()
    corners = np.array([[u, v, 1.0] for u in (-0.5, view.width - 0.5) for v in (-0.5, view.height - 0.5)])
    on_detector = corners @ view.detector_from_pixel().numpy().T
    across, along = np.abs(on_detector[:, 0]).max(), np.abs(on_detector[:, 1]).max()
    angle = 2 * math.degrees(math.atan(max(along, across / aspect) / view.sdd))
    # the image's rows run along -y of the camera where it is stored upside down
    down = math.copysign(1.0, float(view.intrinsics[1, 1])) * world_from_camera[:3, 1]
    position = world_from_camera[:3, 3]
    _set(camera_node, position, position + view.sdd * world_from_camera[:3, 2], -down, angle)


def look_at_carm(camera_node: Node, pose_node: Node, aspect: float = 1.0) -> None:
    """Put a 3D view's camera aside, so that source, patient and detector of every X-ray are seen.

    Args:
        camera_node, pose_node, aspect: as for :func:`look_along_beam`.

    Raises:
        InputError: for another node.
    """
    nodes.require(camera_node, "vtkMRMLCameraNode", "camera")
    views = carm.views(pose_node)
    world_from_rig = se3.inverse(poses.pose_from_transform(pose_node)).numpy()
    in_rig = np.vstack([[detector.source_in_rig(v), *detector.corners_in_rig(v)] for v in views])
    points = in_rig @ world_from_rig[:3, :3].T + world_from_rig[:3, 3]
    beams = [_beam(view, world_from_rig) for view in views]
    if len(beams) > 1 and np.linalg.norm(np.cross(beams[0], beams[1])) > 0.1:
        # above the plane of the two beams, looking down on both detectors
        across = np.cross(beams[0], beams[1])
        up = -(beams[0] + beams[1])
        direction = across / np.linalg.norm(across) - 0.6 * (beams[0] + beams[1])
    else:
        head = np.array([0.0, 0.0, 1.0]) if abs(beams[0][2]) < 0.9 else np.array([0.0, 1.0, 0.0])
        across = np.cross(head, beams[0])
        across /= np.linalg.norm(across)
        up = np.cross(beams[0], across)
        direction = across + 0.35 * up - 0.8 * beams[0]
    position, focus = _framed(points, direction / np.linalg.norm(direction), up, aspect)
    _set(camera_node, position, focus, up, _OVERVIEW_ANGLE)


def _framed(points: np.ndarray, direction: np.ndarray, up: np.ndarray, aspect: float) -> tuple[np.ndarray, np.ndarray]:
    """Position and focal point (3,) of a camera that sees points (N, 3) from a direction, as near as possible."""
    right = np.cross(up, direction)
    right /= np.linalg.norm(right)
    screen = points @ np.stack([right, np.cross(direction, right), direction], axis=1)
    slope = math.tan(math.radians(_OVERVIEW_ANGLE / 2)) / _ROOM
    focus, distance = screen.mean(axis=0), 0.0
    for _ in range(20):
        offset = screen - focus
        # how far back each point asks the camera to be, for the width and for the height of the view
        wide = offset[:, 2] + np.abs(offset[:, 0]) / (slope * aspect)
        high = offset[:, 2] + np.abs(offset[:, 1]) / slope
        distance = float(max(wide.max(), high.max()))
        seen = offset[:, :2] / (distance - offset[:, 2:])
        middle = (seen.max(axis=0) + seen.min(axis=0)) / 2
        focus = focus + np.array([middle[0], middle[1], 0.0]) * distance
    axes = np.stack([right, np.cross(direction, right), direction])
    return np.asarray((focus + [0.0, 0.0, distance]) @ axes), np.asarray(focus @ axes)


def _beam(view: detector.View, world_from_rig: np.ndarray) -> np.ndarray:
    """(3,) unit vector along a view's central ray in the world."""
    direction = world_from_rig[:3, :3] @ np.linalg.inv(view.camera_from_rig.numpy())[:3, 2]
    return np.asarray(direction / np.linalg.norm(direction))


def _set(camera_node: Node, position: np.ndarray, focus: np.ndarray, up: np.ndarray, angle: float) -> None:
    modified = camera_node.StartModify()
    camera_node.SetPosition(*position)
    camera_node.SetFocalPoint(*focus)
    camera_node.SetViewUp(*up)
    camera_node.SetParallelProjection(False)
    camera_node.SetViewAngle(angle)
    camera_node.EndModify(modified)
    camera_node.ResetClippingRange()
