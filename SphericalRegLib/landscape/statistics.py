"""How easy a surface is to descend, in numbers, from plain arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from SphericalRegLib.errors import InputError

Array = NDArray[np.float64]

#: Share of a range of values below which ups and downs count as noise.
TOLERANCE = 1e-3


@dataclass(frozen=True)
class Basin:
    """How far a cost rises without falling, along the line through the lowest grid point that keeps the other
    parameter.

    A point that lies more than the tolerance (a share of the line's own range) below the highest one before it ends the
    basin. Flat parts within are no end, but a flat end is not counted: there is nothing to descend.

    Attributes:
        below: toward smaller values of the parameter, in its unit.
        above: toward larger ones.
        below_open: the cost still rises where the grid ends or has no values: at least that far.
        above_open: the same toward larger values.
    """

    below: float
    above: float
    below_open: bool
    above_open: bool

    @property
    def radius(self) -> float:
        """How far it rises in both directions."""
        return min(self.below, self.above)

    @property
    def at_least(self) -> bool:
        """Whether only the end of the grid limits the radius."""
        ends = ((self.below, self.below_open), (self.above, self.above_open))
        return all(open_end for reach, open_end in ends if reach == self.radius)


@dataclass(frozen=True)
class Statistics:
    """A surface in numbers; NaN is left out of all of them.

    Attributes:
        index: (row, column) of the lowest grid point; of several equal ones that nearest to the grid's middle.
        minimum: where that is, in the units of the axes.
        lowest: value there.
        highest: largest value of the grid.
        first: basin along the first axis.
        second: basin along the second axis.
        minima: local minima among the eight neighbors, a plateau counted once. One counts if the way from it to any
            lower point climbs by more than the tolerance (a share of the grid's range): noise makes none.
        minima_at_edge: how many of them touch the edge of the grid or a point without value, where the surface may go
            on falling.
        condition: ratio of the eigenvalues of the 2×2 Hessian at the lowest point, by central differences over the
            neighbors, with the second unit of the axes scaled into the first; None where neighbors are missing or the
            surface is not curved upward in all directions.
        empty: grid points without value.
    """

    index: tuple[int, int]
    minimum: tuple[float, float]
    lowest: float
    highest: float
    first: Basin
    second: Basin
    minima: int
    minima_at_edge: int
    condition: float | None
    empty: int


def measure(
    values: Array,
    first: Array,
    second: Array,
    *,
    scale: tuple[float, float] = (1.0, 1.0),
    tolerance: float = TOLERANCE,
) -> Statistics:
    """The numbers of a surface.

    Args:
        values: (N, M), small is good; NaN where there is none.
        first: (N,) evenly spaced ascending, what the rows stand for.
        second: (M,) evenly spaced ascending, what the columns stand for.
        scale: what one unit of each axis counts, to compare curvature along both: for radians and mm, the length in mm
            that counts as one radian, and 1.
        tolerance: share of a range of values below which ups and downs count as noise.

    Raises:
        InputError: for arrays that do not fit together, axes that are not evenly spaced, scales that are not above 0, a
            tolerance outside of 0 to 1, or no value at all.
    """
    values, first, second = (np.asarray(array, np.float64) for array in (values, first, second))
    _check(values, first, second, scale, tolerance)
    seen = np.isfinite(values)
    values = np.where(seen, values, np.nan)
    lowest, highest = float(np.nanmin(values)), float(np.nanmax(values))
    i, j = _lowest_point(values)
    minima, at_edge = local_minima(values, tolerance * (highest - lowest))
    return Statistics(
        index=(i, j),
        minimum=(float(first[i]), float(second[j])),
        lowest=lowest,
        highest=highest,
        first=_basin(values[:, j], first, i, tolerance),
        second=_basin(values[i], second, j, tolerance),
        minima=minima,
        minima_at_edge=at_edge,
        condition=_condition(values, i, j, (first[1] - first[0]) * scale[0], (second[1] - second[0]) * scale[1]),
        empty=int((~seen).sum()),
    )


def local_minima(values: Array, depth: float) -> tuple[int, int]:
    """Number of local minima of (N, M) that are deeper than ``depth``, and how many of them touch an edge.

    Water rises: points join by height, lakes (connected by eight neighbors) are born at minima and merge at passes,
    where the shallower one ends. A lake whose depth at its end is no more than ``depth`` does not count.
    """
    order = np.argsort(values, axis=None, kind="stable")
    order = order[np.isfinite(values.ravel()[order])]
    heights = values.ravel()
    lake: dict[int, int] = {}
    deep: list[int] = []

    def bottom(point: int) -> int:
        """The lowest point of the lake that a point belongs to."""
        while lake[point] != point:
            lake[point] = lake[lake[point]]
            point = lake[point]
        return point

    for point in order.tolist():
        lake[point] = point
        for other in _neighbors(point, values.shape):
            if other not in lake:
                continue
            a, b = bottom(point), bottom(other)
            if a == b:
                continue
            # the point itself is no lake yet, and the first neighbor takes it in
            shallow, deeper = (a, b) if a == point or heights[a] > heights[b] else (b, a)
            if heights[point] - heights[shallow] > depth:
                deep.append(shallow)
            lake[shallow] = deeper
    deep += [point for point in lake if lake[point] == point]
    return len(deep), sum(_touches_edge(values, point) for point in deep)


def _check(values: Array, first: Array, second: Array, scale: tuple[float, float], tolerance: float) -> None:
    if values.shape != (first.size, second.size) or first.ndim != 1 or second.ndim != 1 or min(values.shape) < 2:
        raise InputError(
            f"A surface of {values.shape} values does not fit axes of {first.shape} and {second.shape}: rows belong to "
            "the first axis, columns to the second, two of each at least."
        )
    for axis in (first, second):
        steps = np.diff(axis)
        if not (np.isfinite(axis).all() and steps[0] > 0 and np.allclose(steps, steps[0], rtol=1e-6, atol=0)):
            raise InputError(f"An axis must ascend in even steps, not {axis.tolist()}.")
    if not all(0 < factor < np.inf for factor in scale):
        raise InputError(f"The scales of the axes are {scale}: give numbers above 0.")
    if not 0 <= tolerance < 1:
        raise InputError(f"The tolerance is {tolerance}: give a share of the range of values, from 0 to below 1.")
    if not np.isfinite(values).any():
        raise InputError("The surface has no value at all, only NaN.")


def _lowest_point(values: Array) -> tuple[int, int]:
    rows, columns = np.nonzero(values == np.nanmin(values))
    middle = (np.array(values.shape) - 1) / 2
    nearest = int(np.argmin((rows - middle[0]) ** 2 + (columns - middle[1]) ** 2))
    return int(rows[nearest]), int(columns[nearest])


def _basin(line: Array, places: Array, start: int, tolerance: float) -> Basin:
    slack = tolerance * float(np.nanmax(line) - np.nanmin(line))
    above, above_open = _reach(line[start:], slack)
    below, below_open = _reach(line[start::-1], slack)
    return Basin(
        below=float(places[start] - places[start - below]),
        above=float(places[start + above] - places[start]),
        below_open=below_open,
        above_open=above_open,
    )


def _reach(line: Array, slack: float) -> tuple[int, bool]:
    """Steps from a line's first point to where it is highest before it falls, and whether that is its end."""
    known = int(np.argmax(np.isnan(line))) if np.isnan(line).any() else len(line)
    record = np.maximum.accumulate(line[:known])
    fallen = np.nonzero(line[:known] < record - slack)[0]
    end = int(fallen[0]) if len(fallen) else known
    top = int(np.argmax(line[:end] >= record[end - 1] - slack))
    return top, end == known and top == known - 1


def _condition(values: Array, i: int, j: int, step_i: float, step_j: float) -> float | None:
    if not (0 < i < values.shape[0] - 1 and 0 < j < values.shape[1] - 1):
        return None
    near = values[i - 1 : i + 2, j - 1 : j + 2]
    if np.isnan(near).any():
        return None
    along_i = (near[2, 1] - 2 * near[1, 1] + near[0, 1]) / step_i**2
    along_j = (near[1, 2] - 2 * near[1, 1] + near[1, 0]) / step_j**2
    mixed = (near[2, 2] - near[2, 0] - near[0, 2] + near[0, 0]) / (4 * step_i * step_j)
    small, large = np.linalg.eigvalsh(np.array([[along_i, mixed], [mixed, along_j]]))
    # a flat direction leaves rounding errors of either sign
    return float(large / small) if small > 1e-12 * large and large > 0 else None


def _neighbors(point: int, shape: tuple[int, ...]) -> list[int]:
    """Flat indices of the up to eight neighbors."""
    i, j = divmod(point, shape[1])
    return [
        a * shape[1] + b
        for a in range(max(0, i - 1), min(shape[0], i + 2))
        for b in range(max(0, j - 1), min(shape[1], j + 2))
        if (a, b) != (i, j)
    ]


def _touches_edge(values: Array, point: int) -> bool:
    """Whether the plateau around a point (the point alone, mostly) has fewer than eight neighbors with values."""
    flat = values.ravel()
    plateau, waiting = {point}, [point]
    while waiting:
        neighbors = _neighbors(waiting.pop(), values.shape)
        if len(neighbors) < 8 or np.isnan(flat[neighbors]).any():
            return True
        fresh = [other for other in neighbors if flat[other] == flat[point] and other not in plateau]
        plateau.update(fresh)
        waiting += fresh
    return False
