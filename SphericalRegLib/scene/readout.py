"""A C-arm's pose in numbers, whoever put it there: read, typed, and compared with another one's."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.carm_setting import CArmSetting, setting_of
from SphericalRegLib.imaging.xray import XRay
from SphericalRegLib.scene import carm, detector, nodes, poses
from SphericalRegLib.scene.drr_carm import ct_center
from SphericalRegLib.scene.nodes import Node


@dataclass(frozen=True)
class Readout:
    """One view of a C-arm in the scene.

    Attributes:
        setting: angles, distances, detector, and the CT's place as a shift of the table.
        isocenter: (3,) world RAS mm.
        source_mm: from the X-ray source to the CT's middle.
    """

    setting: CArmSetting
    isocenter: tuple[float, float, float]
    source_mm: float


@dataclass(frozen=True)
class PoseDifference:
    """Of two poses of a C-arm over the same CT.

    Attributes:
        rotation_deg: the angle between them.
        plane_mm, depth_mm: how far the CT's middle is apart, across the first one's beam and along it.
    """

    rotation_deg: float
    plane_mm: float
    depth_mm: float


def readout(pose_node: Node, index: int = 0) -> Readout:
    """The numbers of a view of a C-arm as it is now.

    Raises:
        InputError: for another node or view, or where its CT was deleted.
        GeometryError: for a pose that is not rigid, or pixels that no C-arm's numbers describe.
    """
    views = carm.views(pose_node)
    if not 0 <= index < len(views):
        raise InputError(f"'{pose_node.GetName()}' has no view {index}: it has {len(views)}, counted from 0.")
    center, pose = center_of(pose_node), poses.pose_from_transform(pose_node)
    setting = setting_of(views[index], pose, center)
    x, y, z = setting.isocenter(center).tolist()
    source = se3.inverse(views[index].camera_from_world(pose))[:3, 3]
    return Readout(setting, (x, y, z), float((center - source).norm()))


def move_to(pose_node: Node, setting: CArmSetting) -> None:
    """Move a C-arm so that its first view has these angles and this shift of the table; its geometry stays.

    Raises:
        InputError, GeometryError: see :func:`readout`.
    """
    view = carm.views(pose_node)[0]
    poses.set_pose(pose_node, view.rig_from_camera @ setting.pose(center_of(pose_node)))


def difference(one: Node, other: Node) -> PoseDifference:
    """How far the second C-arm is from the first, at the middle of the first one's CT.

    Raises:
        InputError, GeometryError: see :func:`readout`.
    """
    center = center_of(one)
    first, second = (carm.views(node)[0].camera_from_world(poses.pose_from_transform(node)) for node in (one, other))
    apart = se3.transform_points(second, center[None])[0] - se3.transform_points(first, center[None])[0]
    angle = se3.so3_log(second[:3, :3] @ first[:3, :3].T).norm()
    return PoseDifference(math.degrees(float(angle)), math.hypot(float(apart[0]), float(apart[1])), float(apart[2]))


def xrays_at(pose_node: Node) -> list[XRay]:
    """The X-rays at a C-arm's detectors, as they were registered: bright where dense, with what of them is usable.

    Raises:
        InputError: where one is not there.
    """
    found = carm.carm_nodes(pose_node)
    xrays = []
    for index, view in enumerate(carm.views(pose_node)):
        image, mask = found.images[index], found.masks[index]
        if image is None:
            raise InputError(f"'{pose_node.GetName()}' has no X-ray to compare with.")
        pixels = np.array(detector.array_of(image), np.float32)
        usable = np.ones(pixels.shape, bool) if mask is None else detector.array_of(mask) > 0
        xrays.append(XRay(pixels, view, usable))
    return xrays


def center_of(pose_node: Node) -> Tensor:
    """(3,) world RAS mm of the middle of a C-arm's CT; of a result whose CT was deleted, where it was.

    Raises:
        InputError: where there is neither.
    """
    ct = nodes.reference(pose_node, "CT")
    if ct is not None:
        return ct_center(ct)
    content = nodes.get_data(pose_node, "Result")
    if isinstance(content, dict):
        return torch.tensor(content["isocenter_world_ras_mm"], dtype=torch.float64)
    raise InputError(f"The CT of '{pose_node.GetName()}' was deleted: there is nothing to tell its place by.")
