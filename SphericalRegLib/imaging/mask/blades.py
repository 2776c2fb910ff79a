"""Finding a field by its edge alone, blade by blade, where what lies beyond is not denser than all that lies within.

Scatter and veiling glare fall behind a collimator too: close to its edge a picture there can be as bright as the
patient, and a workstation may fill it in with the value of air. But each blade's edge is straight (and a round one's
nearly so over a short way), sharp from one end to the other, and nothing beyond it looks like anatomy. Candidates come
from a Hough transform of sharp edges (Duda and Hart, Comm. ACM 15, 1972); those stay that are edge along all of their
way between the others. Each blade stands for itself: what is not found of a field costs nothing of what is.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from SphericalRegLib.imaging.mask.texture import directed_texture

FloatArray = NDArray[np.floating]
BoolArray = NDArray[np.bool_]

# All lengths here are pixels of an image about 256 pixels large; shares of lengths count its longer side.
_FINE, _BROAD = 1.5, 6.0  # Gaussians: at an edge the slope of the broad one is a quarter of the fine one's
_STILL_SHARP = 0.6
_SLOPE = 0.008  # of the spread of values a pixel: a step of a thirtieth
_SLOPE_OVER_NOISE = 5.0
_NOISE_IN_SLOPE = 0.09  # white noise after the fine Gaussian's derivative, against the noise itself
_ANGLES = 180
_VOTES_AROUND = 3  # bins of angle on either side of a pixel's own
_OFFSET_BIN = 1.5
_MOST = 40  # candidates
_FEWEST_VOTES = 0.1
_LEAST_OFF_MIDDLE = 0.08
_NEAR = 2.5  # pixels of an edge this close to a candidate belong to it
_ALIGNED = np.cos(np.deg2rad(12))

_SEARCH = np.arange(-3.0, 3.5, 0.5)  # the edge is looked for so far off the line
_WINDOW = 9  # samples along the line over which profiles are averaged
_REACH = 3.0
_STEP = 0.035  # of the spread of values
_SHARPNESS = 1.8  # the step against the further change on its soft side
_STAYS = 0.5  # of the step that is still there further out: not so behind a wire
_COVERED = 0.6  # share of a blade's way that is edge
_WHOLE = 0.93
_NOT_PARALLEL = 0.7  # cosine
_SHORTEST = 0.08
_SMALLEST_FIELD = 0.2
_FAR = 8  # so far beyond an edge nothing of it is left
_CORE = 8
_FLAT_BEYOND = 0.9
_SMALLEST_FAR = 0.004
_TEXTURE = 0.9  # what is beyond must have less than this share of the structure within


@dataclass(frozen=True)
class _Line:
    """A blade's edge: unit normal (2,) outward, offset; a pixel p is inside where ``normal · p <= offset``. ``along``
    are (S,) places along it, ``edge`` (S,) whether it is an edge there, ``known`` (S,) whether that can be told."""

    normal: FloatArray
    offset: float
    along: FloatArray
    edge: BoolArray
    known: BoolArray

    @property
    def direction(self) -> FloatArray:
        return np.array([-self.normal[1], self.normal[0]])


def find_blades(image: FloatArray, seen: BoolArray, filled: BoolArray | None = None) -> NDArray[np.float64] | None:
    """Half planes within the edges of a collimator, or None where there is none.

    Args:
        image: (H, W) float, bright = dense, about 256 pixels large.
        seen: (H, W) bool, pixels not known to be unusable; beyond them nothing is looked for.
        filled: (H, W) bool, where the image has exactly its smallest value: then blades are looked for beyond which
            that value was filled in; else those beyond which only scatter arrived.

    Returns:
        (N, 3) float64 of unit normals (row, column) and offsets: a pixel p is inside where all ``normal · p <=
        offset``.
    """
    rising = np.asarray(image if filled is None else -image, np.float32)
    calm = np.asarray(cv2.medianBlur(rising, 3), np.float32)
    low, high = np.percentile(calm[seen], [2, 98])
    spread = float(high - low)
    if spread <= 0:
        return None
    noise = 1.4826 * float(np.median(np.abs(rising - calm)[seen]))
    places, normals = _sharp_edges(calm, seen, max(_SLOPE * spread, _SLOPE_OVER_NOISE * _NOISE_IN_SLOPE * noise))
    smooth = ndimage.gaussian_filter(calm, 0.8)
    limit = float(calm.max()) - 0.02 * spread
    lines = [
        line
        for normal, offset in _candidates(places, normals, image.shape)
        if (line := _measured(smooth, seen, normal, offset, spread, limit, filled)) is not None
    ]
    if filled is None:
        lines = _with_shadow(lines, image, seen, places)
    else:
        lines = _consistent([line for line in lines if _filled_beyond(line, filled)], image.shape)
    if not lines or (_outward(lines, image.shape) <= 0).mean() < _SMALLEST_FIELD:
        return None
    return np.array([[*line.normal, line.offset] for line in lines])


def _sharp_edges(calm: FloatArray, seen: BoolArray, least: float) -> tuple[FloatArray, FloatArray]:
    """(N, 2) pixels on ridges of steepness and (N, 2) their unit normals, toward what rises."""
    fine = np.stack([ndimage.gaussian_filter(calm, _FINE, order) for order in ((1, 0), (0, 1))])
    broad = np.stack([ndimage.gaussian_filter(calm, _BROAD, order) for order in ((1, 0), (0, 1))])
    steepness = np.hypot(*fine)
    at = np.argwhere((steepness > least) & seen)
    normals = fine[:, at[:, 0], at[:, 1]].T / steepness[at[:, 0], at[:, 1]][:, None]
    sharp = (broad[:, at[:, 0], at[:, 1]].T * normals).sum(1) < _STILL_SHARP * steepness[at[:, 0], at[:, 1]]
    at, normals = at[sharp], normals[sharp]
    own = steepness[at[:, 0], at[:, 1]]
    ridge = np.ones(len(at), bool)
    for side in (-1, 1):
        beside = ndimage.map_coordinates(steepness, (at + side * normals).T, order=1, mode="nearest")
        ridge &= own >= beside
    return at[ridge].astype(float), normals[ridge]


def _candidates(at: FloatArray, normals: FloatArray, shape: tuple[int, ...]) -> list[tuple[NDArray[np.float64], float]]:
    """Lines (outward normal, offset) that many edge pixels lie on, by a Hough transform, fitted to these pixels."""
    size, middle = max(shape), (np.array(shape) - 1) / 2
    if len(at) == 0:
        return []
    own = np.arctan2(normals[:, 0], normals[:, 1]) * _ANGLES / (2 * np.pi)
    angles = (np.round(own)[:, None] + np.arange(-_VOTES_AROUND, _VOTES_AROUND + 1)).astype(int) % _ANGLES
    turns = angles * (2 * np.pi / _ANGLES)
    relative = at - middle
    offsets = relative[:, :1] * np.sin(turns) + relative[:, 1:] * np.cos(turns)
    bins = int(size / _OFFSET_BIN) + 1
    places = np.round(offsets / _OFFSET_BIN).astype(int)
    valid = (offsets > _LEAST_OFF_MIDDLE * size) & (places < bins)
    votes = np.bincount((angles * bins + places)[valid], minlength=_ANGLES * bins).reshape(_ANGLES, bins)
    votes = ndimage.convolve1d(votes.astype(float), [0.5, 1, 0.5], axis=1, mode="constant")
    peaks = (votes == ndimage.maximum_filter(votes, (5, 5), mode=("wrap", "constant"))) & (votes > _FEWEST_VOTES * size)
    found = np.argwhere(peaks)
    found = found[np.argsort(-votes[peaks])][:_MOST]
    lines = []
    for angle, place in found:
        turn = angle * 2 * np.pi / _ANGLES
        normal = np.array([np.sin(turn), np.cos(turn)])
        offset = float(normal @ middle + place * _OFFSET_BIN)
        for _ in range(2):
            near = (np.abs(at @ normal - offset) < _NEAR) & (normals @ normal > _ALIGNED)
            if near.sum() < 5:
                break
            center = at[near].mean(axis=0)
            fitted = np.linalg.svd(at[near] - center, full_matrices=False)[2][1]
            normal = fitted if fitted @ normal > 0 else -fitted
            offset = float(normal @ center)
        lines.append((normal, offset))
    return lines


def _measured(
    smooth: FloatArray,
    seen: BoolArray,
    normal: FloatArray,
    offset: float,
    spread: float,
    limit: float,
    filled: BoolArray | None,
) -> _Line | None:
    """A line with what can be told of each place along it within the image; None for one that hardly crosses it."""
    direction = np.array([-normal[1], normal[0]])
    along = np.arange(-2.0 * max(smooth.shape), 2.0 * max(smooth.shape))
    points = offset * normal + along[:, None] * direction
    last = np.array(smooth.shape) - 1
    ends = [points + reach * normal for reach in (-3 * _REACH, 1.0 + _REACH)]
    within = np.logical_and.reduce([((p >= 0) & (p <= last)).all(axis=1) for p in ends])
    if within.sum() < _SHORTEST * max(smooth.shape):
        return None
    along, points = along[within], points[within]

    def sampled(image: FloatArray, at: FloatArray, window: int = _WINDOW) -> FloatArray:
        places = points[None] + at[..., None] * normal
        values = ndimage.map_coordinates(image, np.moveaxis(places, -1, 0), order=1, mode="nearest")
        return np.asarray(ndimage.uniform_filter1d(values, window, axis=1, mode="nearest"))

    count = len(points)
    slopes = sampled(smooth, np.repeat((_SEARCH + 1)[:, None], count, 1)) - sampled(
        smooth, np.repeat((_SEARCH - 1)[:, None], count, 1)
    )
    steepest = _SEARCH[ndimage.uniform_filter1d(slopes, _WINDOW, axis=1, mode="nearest").argmax(axis=0)]
    further_in, inner, outer, further_out = sampled(
        smooth, steepest[None] + _REACH * np.array([-3.0, -1.0, 1.0, 3.0])[:, None]
    )
    step = outer - inner
    if filled is None:
        known = ~((inner > limit) & (outer > limit))
        edge = (step > _STEP * spread) & (step > _SHARPNESS * (further_out - outer))
        edge &= further_out - inner > _STAYS * step
    else:
        flat = sampled(filled.astype(np.float32), steepest[None] + _REACH * np.array([1.0, 2.5])[:, None], 1)
        value = smooth.max()
        # where air is within, a filling of the value of air has no edge
        known = (inner < value - 0.04 * spread) | (flat.min(axis=0) < 0.5)
        edge = (step > _STEP * spread) & (step > _SHARPNESS * (inner - further_in)) & (flat.min(axis=0) > 0.5)
    places = np.clip(np.round(points).astype(int), 0, last)
    known &= seen[places[:, 0], places[:, 1]]
    return _Line(normal, offset, along, edge, known)


def _filled_beyond(line: _Line, filled: BoolArray) -> bool:
    """Whether beyond a line there is hardly anything but the filling."""
    beyond = _outward([line], filled.shape) > 2
    return bool(beyond.any() and filled[beyond].mean() > _FLAT_BEYOND)


def _with_shadow(lines: list[_Line], image: FloatArray, seen: BoolArray, places: FloatArray) -> list[_Line]:
    """The lines beyond which there is no anatomy, of those that agree with one another.

    Beyond them is less structure along the edge, and fewer sharp edges, than within: a straight shaft has no structure
    along itself, but its other side is an edge.
    """
    structure = directed_texture(image)
    sharp = np.zeros(image.shape, np.float32)
    sharp[tuple(places.astype(int).T)] = 1.0
    while lines := _consistent(lines, image.shape):
        sure = _surrounding(lines)
        core = (_outward(lines, image.shape) < -_CORE) & seen
        if not core.any():
            return lines if len(sure) == len(lines) else []
        ratios = []
        for number, line in enumerate(lines):
            beyond = (_outward([line], image.shape) > _FAR) & seen
            # too little beyond to tell: then the edge itself must do
            if number in sure or beyond.sum() <= _SMALLEST_FAR * beyond.size:
                ratios.append(0.0)
                continue
            measures = (structure(line.direction), sharp)
            ratios.append(max(float(one[beyond].mean() / max(one[core].mean(), 1e-12)) for one in measures))
        worst = int(np.argmax(ratios))
        if ratios[worst] < _TEXTURE:
            return lines
        del lines[worst]
    return []


def _surrounding(lines: list[_Line]) -> set[int]:
    """The numbers of lines that are so surely a field's that what lies beyond them does not matter: noise and letters
    there look like structure, but no anatomy has three straight edges, whole ones, that do not run side by side. A
    line among them that is no whole edge (a row of bones within a round field) has to show what lies beyond it."""
    whole = [number for number, line in enumerate(lines) if _share(line, lines) > _WHOLE]
    normals = [lines[number].normal for number in whole]
    if len(whole) < 3 or min(abs(float(a @ b)) for a in normals for b in normals) >= _NOT_PARALLEL:
        return set()
    return set(whole)


def _outward(lines: list[_Line], shape: tuple[int, ...]) -> FloatArray:
    """How far (pixels) each pixel lies beyond some of the lines, negative within all of them; (H, W)."""
    rows, columns = np.indices(shape, dtype=np.float32)
    distances = [line.normal[0] * rows + line.normal[1] * columns - line.offset for line in lines]
    return np.asarray(np.maximum.reduce(distances))


def _consistent(lines: list[_Line], shape: tuple[int, ...]) -> list[_Line]:
    """The lines that are an edge along all of their way between the others."""
    shortest = _SHORTEST * max(shape)
    lines = list(lines)
    while lines:
        shares = [_share(line, lines, shortest) for line in lines]
        if np.isnan(shares).all():
            return []
        worst = int(np.nanargmin(shares))
        if shares[worst] >= _COVERED:
            return [line for line, share in zip(lines, shares, strict=True) if not np.isnan(share)]
        del lines[worst]
    return []


def _share(line: _Line, lines: list[_Line], shortest: float = 1.0) -> float:
    """The share of a line's way between the others that is edge; NaN where less of it than ``shortest`` is known."""
    low, high = _way(line, [other for other in lines if other is not line])
    between = (line.along >= low) & (line.along <= high) & line.known
    return float(line.edge[between].mean()) if between.sum() >= shortest else float("nan")


def _way(line: _Line, others: list[_Line]) -> tuple[float, float]:
    """From where to where along a line all others hold."""
    low, high = -np.inf, np.inf
    for other in others:
        # other.normal · (offset · normal + t · direction) <= other.offset
        slope, rest = (
            float(other.normal @ line.direction),
            other.offset - line.offset * float(other.normal @ line.normal),
        )
        if abs(slope) < 1e-6:
            if rest < -1e-6:
                return np.inf, -np.inf
        elif slope > 0:
            high = min(high, rest / slope)
        else:
            low = max(low, rest / slope)
    return low, high
