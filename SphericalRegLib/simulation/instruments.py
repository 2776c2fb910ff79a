"""Opaque things in a simulated beam, and the collimator that bounds it; drawn with soft, area-true edges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from SphericalRegLib.errors import InputError

FloatArray = NDArray[np.float64]
Point = tuple[float, float]


@dataclass(frozen=True)
class Wire:
    """A wire, a pin or a screw: a stroke of constant width along a polyline.

    Attributes:
        points: (u, v) pixels, two or more.
        width: pixels.
        transmission: fraction of the beam that passes.
    """

    points: tuple[Point, ...]
    width: float
    transmission: float = 0.0


@dataclass(frozen=True)
class Rectangle:
    """A turned rectangle: center and full size in pixels (u, v), angle in radians."""

    center: Point
    size: Point
    angle: float = 0.0
    transmission: float = 0.0


@dataclass(frozen=True)
class Ellipse:
    """A turned ellipse: center and full axes in pixels (u, v), angle in radians."""

    center: Point
    size: Point
    angle: float = 0.0
    transmission: float = 0.0


@dataclass(frozen=True)
class Margins:
    """Rectangular collimation: the fractions of the image that it hides on each side."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True)
class Circle:
    """A round field, as of an image intensifier: its diameter as a fraction of the image's shorter side, and its center
    as fractions of width and height (u, v)."""

    diameter: float
    center: Point = (0.5, 0.5)


@dataclass(frozen=True)
class Polygon:
    """A convex field between straight blades: its corners as fractions of width and height (u, v), in order."""

    corners: tuple[Point, ...]


Instrument: TypeAlias = Wire | Rectangle | Ellipse
Collimator: TypeAlias = Margins | Circle | Polygon


def transmission(instruments: tuple[Instrument, ...], height: int, width: int) -> FloatArray:
    """(height, width) fraction of the beam that passes all instruments; 1 where there is none.

    Raises:
        InputError: for an instrument without extent or a transmission outside 0 to 1.
    """
    passed = np.ones((height, width))
    v, u = np.mgrid[:height, :width].astype(np.float64)
    for instrument in instruments:
        if not 0 <= instrument.transmission <= 1:
            raise InputError(f"An instrument passes {instrument.transmission} of the beam: give a fraction, 0 to 1.")
        cover = _coverage(_signed_distance(instrument, u, v))
        passed *= 1 - cover * (1 - instrument.transmission)
    return passed


def aperture(collimation: Collimator | None, height: int, width: int) -> FloatArray:
    """(height, width) fraction of each pixel that the collimator leaves open.

    Raises:
        InputError: if it leaves nothing open, or for corners that are not those of a convex polygon.
    """
    if collimation is None:
        return np.ones((height, width))
    v, u = np.mgrid[:height, :width].astype(np.float64)
    if isinstance(collimation, Circle):
        radius = collimation.diameter * min(height, width) / 2
        middle = (collimation.center[0] * width - 0.5, collimation.center[1] * height - 0.5)
        opened = _coverage(np.hypot(u - middle[0], v - middle[1]) - radius)
    elif isinstance(collimation, Polygon):
        opened = _coverage(_outside_blades(collimation, height, width, u, v))
    else:
        # pixel edges, since pixel centers are at integers
        left, right = collimation.left * width - 0.5, (1 - collimation.right) * width - 0.5
        top, bottom = collimation.top * height - 0.5, (1 - collimation.bottom) * height - 0.5
        opened = _coverage(np.maximum(left - u, u - right)) * _coverage(np.maximum(top - v, v - bottom))
    if not opened.any():
        raise InputError(f"The collimation {collimation} leaves nothing of the image open.")
    return opened


def _coverage(signed_distance: FloatArray) -> FloatArray:
    """Covered fraction of a pixel whose center is that far (pixels) outside an edge; exact along rows and columns."""
    return np.clip(0.5 - signed_distance, 0, 1)


def _signed_distance(instrument: Instrument, u: FloatArray, v: FloatArray) -> FloatArray:
    """Pixels from each (u, v) to the instrument's outline, negative inside."""
    if isinstance(instrument, Wire):
        if len(instrument.points) < 2 or not instrument.width > 0:
            raise InputError(f"A wire needs two points and a width above 0: {instrument}.")
        pairs = zip(instrument.points[:-1], instrument.points[1:], strict=True)
        distances = [_segment_distance(u, v, a, b) for a, b in pairs]
        return np.minimum.reduce(distances) - instrument.width / 2
    if not (instrument.size[0] > 0 and instrument.size[1] > 0):
        raise InputError(f"An occluder needs a size above 0 pixels: {instrument}.")
    c, s = np.cos(instrument.angle), np.sin(instrument.angle)
    x, y = u - instrument.center[0], v - instrument.center[1]
    x, y = c * x + s * y, c * y - s * x
    half_x, half_y = instrument.size[0] / 2, instrument.size[1] / 2
    if isinstance(instrument, Rectangle):
        return np.maximum(np.abs(x) - half_x, np.abs(y) - half_y)
    # first-order distance to the ellipse: its implicit function over the gradient's norm
    level = np.hypot(x / half_x, y / half_y)
    slope = np.hypot(x / half_x**2, y / half_y**2) / np.maximum(level, 1e-12)
    return (level - 1) / np.maximum(slope, 1 / max(half_x, half_y))


def _outside_blades(field: Polygon, height: int, width: int, u: FloatArray, v: FloatArray) -> FloatArray:
    """Pixels that each (u, v) lies outside of the blade that hides it most, negative within the field."""
    corners = np.array(field.corners, np.float64) * (width, height) - 0.5
    edges = np.roll(corners, -1, axis=0) - corners if len(corners) >= 3 else np.zeros((0, 2))
    turns = edges[:, 0] * np.roll(edges[:, 1], -1) - edges[:, 1] * np.roll(edges[:, 0], -1)
    if not len(edges) or not ((turns > 0).all() or (turns < 0).all()):
        raise InputError(f"A polygonal field needs three or more corners, in order around a convex shape: {field}.")
    outward = np.sign(turns[0]) * np.stack([edges[:, 1], -edges[:, 0]], axis=1)
    outward /= np.linalg.norm(outward, axis=1, keepdims=True)
    sides = [n[0] * (u - p[0]) + n[1] * (v - p[1]) for n, p in zip(outward, corners, strict=True)]
    return np.maximum.reduce(sides)


def _segment_distance(u: FloatArray, v: FloatArray, start: Point, end: Point) -> FloatArray:
    """Pixels from each (u, v) to the segment from start to end."""
    x, y = end[0] - start[0], end[1] - start[1]
    squared = max(x * x + y * y, 1e-12)
    t = np.clip(((u - start[0]) * x + (v - start[1]) * y) / squared, 0, 1)
    return np.hypot(u - start[0] - t * x, v - start[1] - t * y)
