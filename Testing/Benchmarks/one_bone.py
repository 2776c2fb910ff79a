"""What the studies of a single bone share: starts, how far poses are apart, and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from SphericalRegLib.evaluation.metrics import mtre, rotation_error_deg, translation_error
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.view import View
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.imaging.xray import XRay
from SphericalRegLib.rendering import render

START_DEG, START_MM = 10.0, 10.0


def near(pose: Tensor, center: Tensor, count: int, seed: int) -> Tensor:
    """(count, 4, 4) poses uniformly within ±10° about and ±10 mm along each axis of one."""
    rng = np.random.default_rng(seed)
    rotation = np.deg2rad(rng.uniform(-START_DEG, START_DEG, (count, 3)))
    twists = np.concatenate([rotation, rng.uniform(-START_MM, START_MM, (count, 3))], axis=1)
    return se3.about(torch.from_numpy(twists), pose.expand(count, 4, 4), center)


def difference(pose: Tensor, reference: Tensor, points: Tensor, center: Tensor, view: View) -> dict[str, float]:
    """How far two poses are apart: at points of the bone, and as rotation, in-plane and depth of its middle."""
    shift = translation_error(pose, reference, center, view)
    return {
        "mtre_mm": float(mtre(pose, reference, points)),
        "rotation_deg": float(rotation_error_deg(pose, reference)),
        "in_plane_mm": float(shift.in_plane_mm),
        "depth_mm": float(shift.depth_mm),
    }


def middle(rows: Sequence[dict[str, float]], what: str) -> str:
    """Median and worst of one key, for printing."""
    values = [row[what] for row in rows]
    return f"{np.median(values):.2f} (worst {max(values):.2f})"


def save_overlay(path: Path, xray: XRay, volume: Volume, poses: Sequence[tuple[Tensor, tuple[int, int, int]]]) -> None:
    """X-ray, X-ray with the edges of the DRRs at poses (each with its RGB color), DRR at the first pose, side by
    side."""
    low, high = np.percentile(xray.image[xray.mask], [0.5, 99.5])
    gray = (np.clip((xray.image - low) / (high - low), 0, 1) * 255).astype(np.uint8)
    gray = cv2.createCLAHE(3.0, (4, 4)).apply(gray)
    scale = max(1, round(700 / max(gray.shape)))
    size = (gray.shape[1] * scale, gray.shape[0] * scale)
    view = xray.view.resized(size[1], size[0])
    plain = cv2.cvtColor(cv2.resize(gray, size, interpolation=cv2.INTER_CUBIC), cv2.COLOR_GRAY2BGR)
    marked, drawn = plain.copy(), []
    for pose, color in poses:
        image = render(volume, view, pose[None], samples=256)[0].sum(0).numpy()
        # a pose found by another view alone may put the bone outside of this one
        drr = (image / max(float(image.max()), 1e-9) * 255).astype(np.uint8)
        smooth = cv2.GaussianBlur(drr, (0, 0), 2.5)
        marked[cv2.Canny(smooth, 12, 30) > 0] = color[::-1]
        drawn.append(cv2.cvtColor(drr, cv2.COLOR_GRAY2BGR))
    cv2.imwrite(str(path), np.hstack([plain, marked, drawn[0]]))
