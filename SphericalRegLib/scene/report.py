"""The report of a result in the scene, also of one that was loaded with it: all it needs but the CT is kept there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.imaging.xray import XRay
from SphericalRegLib.reporting.report import Record
from SphericalRegLib.scene import carm, detector, results, tables
from SphericalRegLib.scene.nodes import Node


def kept_record(pose_node: Node) -> Record:
    """What the scene keeps of a registration.

    Args:
        pose_node: that bears a result.

    Raises:
        InputError: for a node that bears no result, or where an X-ray at its detector or the costs were deleted.
    """
    content = results.record(pose_node)
    if content is None:
        raise InputError(f"'{pose_node.GetName()}' bears no result: register first.")
    found = carm.carm_nodes(pose_node)
    views, xrays = carm.views(pose_node), []
    for view, told, image, mask in zip(views, content["xrays"], found.images, found.masks, strict=True):
        if image is None or mask is None:
            raise InputError(f"'{pose_node.GetName()}' has lost {_gone(pose_node)}: register again for a report.")
        xrays.append(
            XRay(
                np.asarray(detector.array_of(image), np.float32),
                view,
                detector.array_of(mask) > 0,
                path=told["path"],
                frame=told["frame"],
                conversion=told["values"],
            )
        )
    if found.cost_table is None and content["iterations"]:
        raise InputError(f"'{pose_node.GetName()}' has lost {_gone(pose_node)}: register again for a report.")
    return Record(content, xrays, [] if found.cost_table is None else tables.costs_of(found.cost_table))


def where_registered(volume: Volume, pose_node: Node) -> Volume:
    """The volume of a result's CT, as it lies now, brought back to where it lay when it was registered."""
    before, now = results.ct_matrix_then(pose_node), carm.ct_matrix(pose_node)
    if before is None or now is None:
        return volume
    shift = torch.from_numpy(before @ np.linalg.inv(now))
    return replace(
        volume,
        world_from_voxel=shift @ volume.world_from_voxel,
        isocenter=se3.transform_points(shift, volume.center[None])[0],
    )


def _gone(pose_node: Node) -> str:
    return ", ".join(carm.missing(pose_node)) or "a part of it"
