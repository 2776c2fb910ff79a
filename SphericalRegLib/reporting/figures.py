"""Pictures that show whether a CT's projection lies on an X-ray: overlay, checkerboard, difference, cost curve."""

from __future__ import annotations

import io
import itertools
from collections.abc import Sequence

import cv2
import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

Gray = NDArray[np.uint8]
Image = NDArray[np.float32]

SIZE = 720
"""Pixels along the longer side of a picture."""

DIFFERENCE_RANGE = 0.2
"""Share of the X-ray's contrast at which a difference has its full color."""

_CONTOUR = (0, 230, 118)
_START_CONTOUR = (255, 145, 0)
_LEFT_OUT = (255, 60, 60)
_TILES = 8
_HATCH = 12
"""Pixels from one stroke to the next."""


def enlarged(image: NDArray[np.floating], size: int = SIZE) -> Image:
    """The image (H, W) with ``size`` pixels along its longer side: averaged down, or interpolated up."""
    scale = size / max(image.shape)
    target = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image.astype(np.float32), target, interpolation=method), np.float32)


def matched_tone(drr: Image, xray: Image, mask: NDArray[np.bool_]) -> Image:
    """The DRR (H, W) in the X-ray's gray values: a cubic, least squares where both are seen, refitted without outliers.

    A detector's tone curve is unknown; without this, a difference image would show that curve and not the pose.
    """
    scale = max(float(np.abs(drr).max()), 1e-12)
    basis = np.stack([(drr / scale) ** power for power in range(4)], axis=-1)
    used = mask & (drr > 1e-3 * scale)
    if used.sum() < 100:
        return drr
    coefficients: NDArray[np.floating] = np.zeros(4)
    for _ in range(3):
        coefficients = np.linalg.lstsq(basis[used], xray[used], rcond=None)[0]
        residual = np.abs(basis @ coefficients - xray)
        kept = used & (residual < 4 * np.median(residual[used]) + 1e-12)
        if kept.sum() < 100:
            break
        used = kept
    return np.asarray(basis @ coefficients, np.float32)


def contours(bones: Image) -> NDArray[np.bool_]:
    """(H, W) outlines in a DRR of the bones, two pixels wide; strong against their surroundings, so that thin bone
    counts beside thick."""
    smooth = cv2.GaussianBlur(bones, (0, 0), max(bones.shape) / 300)
    across, along = cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)
    steepness = np.hypot(across, along)
    around = cv2.GaussianBlur(steepness, (0, 0), max(bones.shape) / 24) + 0.15 * float(steepness.mean()) + 1e-12
    # Canny wants 16-bit derivatives
    scale = 4000 / max(float((steepness / around).max()), 1e-12)
    edges = cv2.Canny(
        (across / around * scale).astype(np.int16), (along / around * scale).astype(np.int16), scale, 2 * scale
    )
    return np.asarray(cv2.dilate(edges, np.ones((2, 2), np.uint8)) > 0)


def edge_overlay(xray: Gray, bones: Image, at_start: bool = False) -> NDArray[np.uint8]:
    """(H, W, 3) the X-ray with the contours of a DRR of the bones: green, or orange for a start."""
    colored = np.repeat((0.85 * xray)[..., None], 3, axis=-1).astype(np.uint8)
    colored[contours(bones)] = _START_CONTOUR if at_start else _CONTOUR
    return colored


def unused_hatched(xray: Gray, mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """(H, W, 3) the X-ray with red hatching over what the mask leaves out, and a red outline around it."""
    rows, columns = np.indices(xray.shape)
    colored = np.repeat(xray[..., None], 3, axis=-1).astype(np.uint8)
    left_out = ~mask
    outline = left_out & (cv2.erode(left_out.astype(np.uint8), np.ones((3, 3), np.uint8)) == 0)
    # cut through by the picture's own border, an area has no outline there
    colored[left_out & ((rows + columns) % _HATCH < _HATCH // 6)] = _LEFT_OUT
    colored[outline] = _LEFT_OUT
    return colored


def checkerboard(xray: Gray, drr: Gray, mask: NDArray[np.bool_]) -> Gray:
    """(H, W) tiles of both in turn, the X-ray's at the upper left: bone edges must run on across the seams.

    Where the mask is false the X-ray's tiles are black.
    """
    rows, columns = np.indices(xray.shape)
    edge = max(xray.shape) / _TILES
    even = ((rows // edge).astype(int) + (columns // edge).astype(int)) % 2 == 0
    return np.where(even, np.where(mask, xray, 0), drr).astype(np.uint8)


def difference(xray: Image, drr: Image, mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """(H, W, 3) X-ray minus tone-matched DRR: red where the X-ray is denser, blue where the DRR is, gray unused.

    Without the slow shading that scatter leaves, and on a scale that is the X-ray's, not the difference's own: where
    both agree the picture is pale.
    """
    weight = mask.astype(np.float32)
    width = max(xray.shape) / 16
    slow = cv2.GaussianBlur(weight * (xray - drr), (0, 0), width) / (cv2.GaussianBlur(weight, (0, 0), width) + 1e-6)
    seen = xray[mask] if mask.any() else xray
    low, high = (float(value) for value in np.percentile(seen, [1, 99]))
    full = DIFFERENCE_RANGE * max(high - low, 1e-12)
    shades = matplotlib.colormaps["RdBu_r"](np.clip(0.5 + 0.5 * (xray - drr - slow) / full, 0, 1))[..., :3]
    shades[~mask] = 0.6
    return np.round(255 * shades).astype(np.uint8)


def cost_curve(costs: Sequence[tuple[str, float]]) -> bytes:
    """PNG of cost against iteration, with the stages marked: each has its own similarity, so jumps between them mean
    nothing.

    Args:
        costs: of every iteration its stage and cost.
    """
    figure = Figure(figsize=(9, 3.2), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    start = 0
    for index, (stage, group) in enumerate(itertools.groupby(costs, key=lambda step: step[0])):
        steps = list(group)
        end = start + len(steps)
        axes.axvspan(start - 0.5, end - 0.5, color="0.93" if index % 2 == 0 else "1.0", zorder=0)
        axes.plot(range(start, end), [cost for _stage, cost in steps], marker="o", markersize=3.5, color="#1f5fa8")
        axes.annotate(
            stage + " px",
            ((start + end - 1) / 2, 1.02),
            xycoords=("data", "axes fraction"),
            ha="center",
            fontsize=8,
        )
        start = end
    axes.set(xlabel="iteration", ylabel="cost (small is good)", yscale="log", xlim=(-0.5, max(start, 1) - 0.5))
    axes.spines[["top", "right"]].set_visible(False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
