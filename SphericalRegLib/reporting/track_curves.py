"""Curves of a track over its frames: with bands where a value is known to so much, and gaps where it is not."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from SphericalRegLib.geometry import se3
from SphericalRegLib.tracking.kinematics import Joint, JointMotion
from SphericalRegLib.tracking.track import Track

_COLORS = ("#1f5fa8", "#c4651a", "#2e8b45", "#8a3fa0", "#b0303c", "#5c6670")


@dataclass(frozen=True)
class Curve:
    """A value over frames.

    Attributes:
        name: of it.
        values: one for each frame; NaN in a gap.
        half_widths: of the 95 % intervals, likewise; NaN where there is none to draw.
    """

    name: str
    values: Sequence[float]
    half_widths: Sequence[float]


def displacement_curves(track: Track, name: str) -> tuple[list[Curve], list[Curve]]:
    """(rotations in degrees, shifts in mm) of a body against its first tracked pose, along the rig's axes.

    A band is the 95 % interval of the first view's plane for x and y, of its depth for z.
    """
    place, poses = track.place(name), track.poses(name)
    first = next((pose for pose in poses if pose is not None), None)
    rows = np.full((len(poses), 6), np.nan)
    bands = np.full((len(poses), 6), np.nan)
    for number, pose in enumerate(poses):
        if pose is None or first is None:
            continue
        twist = se3.difference_about(pose, first, track.centers[place])
        rows[number] = torch.cat([torch.rad2deg(twist[:3]), twist[3:]]).numpy()
        known = track.frames[number].bodies[place].half_widths
        widths = [known.rotation_deg] * 3 + [known.plane_mm] * 2 + [known.depth_mm]
        bands[number] = [width if math.isfinite(width) else math.nan for width in widths]
    curves = [Curve(axis, rows[:, n].tolist(), bands[:, n].tolist()) for n, axis in enumerate("xyzxyz")]
    return curves[:3], curves[3:]


def joint_curves(joint: Joint, motions: Sequence[JointMotion | None]) -> tuple[list[Curve], list[Curve]]:
    """(angles in degrees, shifts in mm) of a joint about and along its three axes."""
    none = [math.nan] * 3
    angles = np.array([none if motion is None else motion.angles_deg for motion in motions])
    shifts = np.array([none if motion is None else motion.shifts_mm for motion in motions])
    blank = [math.nan] * len(motions)
    return (
        [Curve(f"about {axis}", angles[:, n].tolist(), blank) for n, axis in enumerate(joint.order)],
        [Curve(f"along {axis}", shifts[:, n].tolist(), blank) for n, axis in enumerate(joint.order)],
    )


def curve_picture(numbers: Sequence[int], panels: Mapping[str, Sequence[Curve]]) -> bytes:
    """PNG of panels side by side.

    Args:
        numbers: of the frames.
        panels: {label of the vertical axis: curves}.
    """
    figure = Figure(figsize=(5.2 * len(panels), 3.0), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    for number, (label, curves) in enumerate(panels.items()):
        axes = figure.add_subplot(1, len(panels), number + 1)
        for color, curve in zip(_COLORS, curves, strict=False):
            values, widths = np.asarray(curve.values), np.asarray(curve.half_widths)
            axes.plot(numbers, values, color=color, marker="o", markersize=2.5, linewidth=1.2, label=curve.name)
            axes.fill_between(numbers, values - widths, values + widths, color=color, alpha=0.18, linewidth=0)
        axes.set(xlabel="frame", ylabel=label)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(fontsize=8, frameon=False, ncols=3)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
