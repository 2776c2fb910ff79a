"""All errors of one pose against the truth, under names that say what they are and in which unit."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from SphericalRegLib.evaluation import metrics
from SphericalRegLib.geometry.view import View

DESCRIPTIONS = {
    "mtre_mm": "mean target registration error: distance in space, over points of the bones",
    "mpe_mm": "mean projection error: distance on the detector",
    "mrpe_mm": "mean reprojection error: distance at the patient, across the rays",
    "rotation_error_deg": "rotation",
    "in_plane_error_mm": "isocenter, parallel to the (first) detector",
    "depth_error_mm": "isocenter, along the (first) central ray",
}


def pose_errors(
    pose: Tensor, truth: Tensor, points: Tensor, views: Sequence[View], isocenter: Tensor
) -> dict[str, float]:
    """Errors by the names in :data:`DESCRIPTIONS`.

    Args:
        pose, truth: (4, 4) rig_from_world.
        points: (N, 3) world mm, of the bones.
        views: that share the rig.
        isocenter: (3,) world mm.
    """
    offset = metrics.translation_error(pose, truth, isocenter, views[0])
    return {
        "mtre_mm": float(metrics.mtre(pose, truth, points)),
        "mpe_mm": float(metrics.mpe(pose, truth, points, views)),
        "mrpe_mm": float(metrics.mrpe(pose, truth, points, views)),
        "rotation_error_deg": float(metrics.rotation_error_deg(pose, truth)),
        "in_plane_error_mm": float(offset.in_plane_mm),
        "depth_error_mm": float(offset.depth_mm),
    }
