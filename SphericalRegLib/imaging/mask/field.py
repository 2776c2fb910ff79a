"""Finding the collimated field of an X-ray from its pixels: rectangular, slanted, polygonal or round.

A field is convex; beyond it nothing but scatter arrives, so that it is denser there than almost everywhere within, and
smooth; and its edge is a sharp step all around but where the image ends. A body's outline is no such step: the path
through it goes on growing beyond the skin (as the square root of the depth). What is not surely collimated stays
usable.
"""

from __future__ import annotations

import cv2
import numpy as np
from scipy import ndimage
from scipy.spatial import ConvexHull, QhullError

from SphericalRegLib.imaging.mask.texture import texture as texture_of

# All lengths here are pixels of an image about 256 pixels large.
_REACH = 3.0  # on either side of the edge, where densities are compared
_SEARCH = np.arange(-5.0, 5.5, 0.5)  # where around the hull the step is looked for
_WINDOW = 15  # over which the edge is taken to be smooth
_CORE = 8  # so far within there is no outline of a body that happens to run along the edge
_FAR = 12  # so far beyond the edge itself no longer counts as texture
_SMALLEST_FAR = 0.01  # share of the image: fewer pixels, the corners of a narrow border, tell nothing of texture
_NOISE_SCALES = ((3, 0.7), (5, 1.5))  # median window, then Gaussian sigma
_THRESHOLDS = 24

_SMALLEST_FIELD = 0.2  # share of the image; smaller ones are rare, a strip of air beside a body is not
_SMALLEST_SHADOW = 0.005
_SMALLEST_STEP = 0.12  # against the spread of values within
_SHARPNESS = 2.0  # the step against the further rise behind it
_SHARE_OF_EDGE = 0.76  # that must be such a step
_WHOLE_EDGE = 0.97  # no anatomy has such an outline: then the noise beyond, which looks like structure, does not matter
_SMALLEST_SPREAD = 0.1  # against the way up to the shadow: air alone beside a body is more uniform than this


def find_field(image: np.ndarray) -> np.ndarray | None:
    """The collimated field as half planes, or None where no collimator is seen.

    Args:
        image: (H, W) float, bright = dense, about 256 pixels large.

    Returns:
        (N, 3) float64 of unit normals (row, column) and offsets: a pixel p is inside where all ``normal · p <=
        offset``.
    """
    best, found = 0.0, None
    texture = texture_of(image)
    for window, sigma in _NOISE_SCALES:
        smooth = ndimage.gaussian_filter(cv2.medianBlur(image.astype(np.float32), window), sigma)
        low, high = np.percentile(smooth, [5, 99.9])
        for threshold in np.linspace(low, high, _THRESHOLDS + 2)[1:-1]:
            corners = _hull_of_largest(smooth < threshold)
            if corners is None or not _is_dense_beyond(smooth, corners, threshold):
                continue
            share = _sharp_share(smooth, corners)
            if share <= max(best, _SHARE_OF_EDGE):
                continue
            if share > _WHOLE_EDGE or _is_smooth_beyond(texture, corners):
                best, found = share, _refined(smooth, corners)
        if found is not None:
            break
    return found


def find_shutter(image: np.ndarray, flat: np.ndarray) -> np.ndarray | None:
    """The opening of a shutter that was filled with the least dense value there is, as :func:`find_field` returns it.

    Args:
        image: (H, W) float, bright = dense, about 256 pixels large.
        flat: (H, W) bool, where the image has exactly its smallest value.
    """
    corners = _hull_of_largest(~flat)
    if corners is None:
        return None
    beyond = _outward(corners, image.shape) > 2
    if beyond.sum() < _SMALLEST_SHADOW * beyond.size or flat[beyond].mean() < 0.99:
        return None
    # Against air around a convex body: its density falls off toward the skin, a shutter cuts it off.
    share = _sharp_share(-image, corners, body_within=True)
    return _planes(corners, image.shape) if share > _SHARE_OF_EDGE else None


def inside_planes(
    planes: np.ndarray, height: int, width: int, scale: tuple[float, float] = (1.0, 1.0), margin: float = 0.0
) -> np.ndarray:
    """(height, width) bool: pixels of a finer image at least ``margin`` coarse pixels inside all half planes.

    Args:
        planes: (N, 3) from :func:`find_field`, in pixels of the coarse image.
        height, width: of the finer image.
        scale: coarse over fine pixels, along rows and columns.
        margin: in coarse pixels.
    """
    rows = (np.arange(height) + 0.5) * scale[0] - 0.5
    columns = (np.arange(width) + 0.5) * scale[1] - 0.5
    inside = np.ones((height, width), bool)
    for normal_row, normal_column, offset in planes:
        inside &= (normal_row * rows)[:, None] <= (offset - margin - normal_column * columns)[None, :]
    return inside


def _hull_of_largest(mask: np.ndarray) -> np.ndarray | None:
    """Corners (N, 2) of the convex hull of the largest part of a mask, thin protrusions cut off, or None."""
    opened = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    count, parts, statistics, _ = cv2.connectedComponentsWithStats(opened, connectivity=4)
    if count < 2:
        return None
    largest = 1 + int(statistics[1:, cv2.CC_STAT_AREA].argmax())
    if statistics[largest, cv2.CC_STAT_AREA] < _SMALLEST_FIELD * mask.size:
        return None
    # The first and last pixel of each row are all that a hull can have as corners.
    within = parts == largest
    rows = np.flatnonzero(within.any(axis=1))
    first, last = within[rows].argmax(axis=1), mask.shape[1] - 1 - within[rows, ::-1].argmax(axis=1)
    outline = np.concatenate([np.stack([rows, first], axis=1), np.stack([rows, last], axis=1)])
    try:
        hull = ConvexHull(outline)
    except QhullError:
        return None
    return outline[hull.vertices].astype(float)


def _sides(corners: np.ndarray, shape: tuple[int, ...]) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """(start, end, outward unit normal) of a convex polygon's sides, but for those along the image's border."""
    center, limits = corners.mean(axis=0), np.array(shape) - 1
    sides = []
    for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        both = np.stack([start, end])
        if (both < _REACH).all(axis=0).any() or (both > limits - _REACH).all(axis=0).any():
            continue
        normal = np.array([start[1] - end[1], end[0] - start[0]]) / np.linalg.norm(end - start)
        sides.append((start, end, normal if normal @ (start - center) > 0 else -normal))
    return sides


def _planes(corners: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    # Corners are the outermost pixels within: the edge itself lies half a pixel outward.
    return np.array([[*normal, normal @ start + 0.5] for start, _, normal in _sides(corners, shape)]).reshape(-1, 3)


def _outward(corners: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """How far (pixels) each pixel lies beyond a polygon's sides, negative within; (H, W)."""
    rows, columns = np.arange(shape[0], dtype=np.float32), np.arange(shape[1], dtype=np.float32)
    outward = np.full(shape, -np.inf, np.float32)
    for normal_row, normal_column, offset in _planes(corners, shape).astype(np.float32):
        np.maximum(outward, (normal_row * rows - offset)[:, None] + (normal_column * columns)[None, :], out=outward)
    return outward


def _is_dense_beyond(smooth: np.ndarray, corners: np.ndarray, threshold: float) -> bool:
    """Whether all beyond a polygon is denser than nearly all within, where densities differ."""
    outward = _outward(corners, smooth.shape)
    beyond, core = outward > 2, outward < -_CORE
    if beyond.sum() < _SMALLEST_SHADOW * beyond.size or not core.any():
        return False
    low, nearly_all, high = np.percentile(smooth[core], [5, 97, 98])
    shadow = smooth[beyond]
    level = float(np.median(shadow))
    return bool(
        (shadow > threshold).mean() >= 0.95 and level >= nearly_all and high - low >= _SMALLEST_SPREAD * (level - low)
    )


def _is_smooth_beyond(texture: np.ndarray, corners: np.ndarray) -> bool:
    """Whether there is less structure beyond a polygon than within, or too little beyond to tell."""
    outward = _outward(corners, texture.shape)
    core, far = outward < -_CORE, outward > _FAR
    return far.sum() < _SMALLEST_FAR * far.size or float(texture[core].mean()) > float(texture[far].mean())


def _samples(corners: np.ndarray, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points (S, 2) a pixel apart along the sides, their normals (S, 2), and which side each is on (S,)."""
    points, normals, numbers = [np.empty((0, 2))], [np.empty((0, 2))], [np.empty(0, int)]
    for number, (start, end, normal) in enumerate(_sides(corners, shape)):
        count = max(2, round(float(np.linalg.norm(end - start))))
        points.append(start + (end - start) * ((np.arange(count) + 0.5) / count)[:, None] + 0.5 * normal)
        normals.append(np.tile(normal, (count, 1)))
        numbers.append(np.full(count, number))
    return np.concatenate(points), np.concatenate(normals), np.concatenate(numbers)


def _profiles(smooth: np.ndarray, points: np.ndarray, normals: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """(K, S) values of an image so many pixels, (K,) or (K, S), outward of the points."""
    offsets = np.broadcast_to(offsets.reshape(len(offsets), -1), (len(offsets), len(points)))
    places = points[None] + offsets[..., None] * normals[None]
    return ndimage.map_coordinates(smooth, np.moveaxis(places, -1, 0), order=1, mode="nearest")


def _steepest(smooth: np.ndarray, points: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """(S,) how far outward of the points the density rises most: the edge itself, which noise makes hulls miss."""
    profiles = _profiles(smooth, points, normals, np.concatenate([_SEARCH - 1.0, _SEARCH + 1.0]))
    slopes = profiles[len(_SEARCH) :] - profiles[: len(_SEARCH)]
    return _SEARCH[ndimage.uniform_filter1d(slopes, _WINDOW, axis=1, mode="nearest").argmax(axis=0)]


def _sharp_share(smooth: np.ndarray, corners: np.ndarray, body_within: bool = False) -> float:
    """The share of a polygon's edge where density makes a sharp step."""
    points, normals, _ = _samples(corners, smooth.shape)
    outer = points + _REACH * normals
    seen = ((outer >= 0) & (outer <= np.array(smooth.shape) - 1)).all(axis=1)
    core = _outward(corners, smooth.shape) < -_CORE
    if not seen.any() or not core.any():
        return 0.0
    low, high = np.percentile(smooth[core], [5, 98])
    places = _steepest(smooth, points, normals) + _REACH * np.array([-3.0, -1.0, 1.0, 3.0])[:, None]
    values = _profiles(smooth, points, normals, places)[:, seen]
    step = values[2] - values[1]
    further = values[1] - values[0] if body_within else values[3] - values[2]
    return float(((step > _SMALLEST_STEP * (high - low)) & (step > _SHARPNESS * further)).mean())


def _refined(smooth: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """The half planes of a polygon, each moved to the edge nearby."""
    points, normals, numbers = _samples(corners, smooth.shape)
    shifts = _steepest(smooth, points, normals)
    planes = _planes(corners, smooth.shape)
    for number in range(len(planes)):
        planes[number, 2] += np.median(shifts[numbers == number])
    return planes
