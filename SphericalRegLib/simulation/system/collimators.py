"""Collimators that are not a plain rectangle, drawn at random: turned, polygonal, round and off-center."""

from __future__ import annotations

import math

import numpy as np

from SphericalRegLib.simulation.instruments import Circle, Collimator, Margins, Polygon


def random_collimator(
    rng: np.random.Generator, open_share: float, closing: float, turned_deg: float
) -> Collimator | None:
    """A collimator, or none with a probability of ``open_share``.

    Half of them are rectangles along the image, the others turned rectangles, circles and polygons (iris collimators
    of image intensifiers have six to ten blades).

    Args:
        rng: the source of chance.
        open_share: probability that nothing limits the beam within the image.
        closing: the most that is cut off at each side, as a fraction of the image.
        turned_deg: the most that blades are turned.
    """
    if rng.random() < open_share:
        return None
    kind = rng.random()
    margins = rng.uniform(0, closing, 4)
    if kind < 0.5:
        left, top, right, bottom = margins.tolist()
        return Margins(left, top, right, bottom)
    middle = (float(rng.uniform(0.47, 0.53)), float(rng.uniform(0.47, 0.53)))
    if kind < 0.7:
        return Circle(diameter=float(rng.uniform(1.05 - 1.5 * closing, 1.15)), center=middle)
    angle = math.radians(rng.uniform(-turned_deg, turned_deg))
    if kind < 0.88:
        return turned_rectangle(middle, (1 - margins[0] - margins[2], 1 - margins[1] - margins[3]), angle)
    return regular_polygon(int(rng.integers(6, 11)), middle, float(rng.uniform(1.1 - closing, 1.25)), angle)


def turned_rectangle(center: tuple[float, float], size: tuple[float, float], angle: float) -> Polygon:
    """A rectangle of a center and size (fractions of the image, u and v), turned by an angle in radians."""
    c, s = math.cos(angle), math.sin(angle)
    half = [(a * size[0] / 2, b * size[1] / 2) for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
    return Polygon(tuple((center[0] + c * x - s * y, center[1] + s * x + c * y) for x, y in half))


def regular_polygon(sides: int, center: tuple[float, float], diameter: float, angle: float) -> Polygon:
    """A regular polygon around a circle of that diameter (fractions of the image), turned by an angle in radians."""
    radius = diameter / 2 / math.cos(math.pi / sides)
    turns = [angle + 2 * math.pi * n / sides for n in range(sides)]
    return Polygon(tuple((center[0] + radius * math.cos(t), center[1] + radius * math.sin(t)) for t in turns))
