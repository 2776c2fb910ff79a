"""Costs over a grid of poses, batch by batch: an iterator that a caller may leave at any batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from SphericalRegLib.errors import GeometryError, InputError
from SphericalRegLib.landscape.costs import PoseCosts
from SphericalRegLib.landscape.grid import Axis, PoseGrid

# Pixels in one batch of images. A similarity holds some twenty arrays of that size, 4 bytes each: about 50 MB.
_BATCH_PIXELS = 2**19
# Poses in one batch, so that a caller is asked often enough whether to go on.
_BATCH_POSES = 1024


@dataclass(frozen=True)
class Landscape:
    """Costs over a grid of two pose parameters.

    Attributes:
        first: what the rows of ``values`` count.
        second: what the columns of ``values`` count.
        names: S costs.
        values: (S, first.steps, second.steps) float64; NaN where the CT is out of the beam.
        pose: (4, 4) float64 rig_from_world, RAS mm, where both parameters are 0.
        isocenter: (3,) float64 world RAS mm, about which poses turn.
        camera_from_rig: (4, 4) float64, of the camera whose axes are meant.
        length: mm that count as one radian.
        conditions: (S,) of the 6×6 Gauss-Newton Hessian at ``pose``, rotations scaled by ``length``; NaN where there is
            none, infinite where singular.
    """

    first: Axis
    second: Axis
    names: tuple[str, ...]
    values: NDArray[np.float64]
    pose: NDArray[np.float64]
    isocenter: NDArray[np.float64]
    camera_from_rig: NDArray[np.float64]
    length: float
    conditions: NDArray[np.float64]


@dataclass(frozen=True)
class Progress:
    """After a batch: poses done, of how many."""

    done: int
    total: int


class Survey:
    """Computes a landscape. Iterate it to run it; stop whenever you like; then ask for the :meth:`landscape`.

    Args:
        grid: the poses.
        costs: to be computed at each of them.
        length: mm that count as one radian, as in registration (``Objective.length``).
        batch: poses at once; by default as many as need some 50 MB.

    Raises:
        InputError: without costs, for two of one name, or a batch below 1.
    """

    def __init__(
        self, grid: PoseGrid, costs: Sequence[PoseCosts], length: float = 100.0, batch: int | None = None
    ) -> None:
        self._names = tuple(name for group in costs for name in group.names)
        if not self._names:
            raise InputError("There is no cost to compute: name at least one similarity or distance.")
        twice = sorted({name for name in self._names if self._names.count(name) > 1})
        if twice:
            raise InputError(f"{', '.join(twice)} would be computed twice: name each similarity once.")
        if batch is not None and batch < 1:
            raise InputError(f"The batch is {batch} poses: give at least 1.")
        self._grid, self._costs, self._length = grid, list(costs), length
        most = _BATCH_PIXELS // max(group.pixels for group in costs)
        self._batch = batch if batch is not None else min(max(1, most), _BATCH_POSES)
        self._landscape: Landscape | None = None

    def __iter__(self) -> Iterator[Progress]:
        """Compute batch after batch, from the beginning.

        Raises:
            GeometryError: at the end, if a cost has no value at all.
        """
        grid, total = self._grid, len(self._grid)
        values = np.full((len(self._names), total), np.nan)
        for start in range(0, total, self._batch):
            stop = min(start + self._batch, total)
            poses = grid.poses(start, stop)
            values[:, start:stop] = np.concatenate([group.evaluate(poses).numpy() for group in self._costs])
            yield Progress(stop, total)
        for name, row in zip(self._names, values, strict=True):
            if np.isnan(row).all():
                raise GeometryError(
                    f"The landscape of {name} is empty: at none of its {total} poses does the CT lie in the beam, "
                    "before usable pixels of the X-ray. Check the pose in its middle."
                )
        conditions = [condition for group in self._costs for condition in group.conditions(grid.pose)]
        self._landscape = Landscape(
            grid.first,
            grid.second,
            self._names,
            values.reshape(-1, *grid.shape),
            grid.pose.numpy(),
            grid.center.double().numpy(),
            grid.camera_from_rig.numpy(),
            self._length,
            np.array([np.nan if condition is None else condition for condition in conditions]),
        )

    def landscape(self) -> Landscape:
        """The whole landscape.

        Raises:
            InputError: before the iteration has come to its end.
        """
        if self._landscape is None:
            raise InputError("The landscape is not finished: iterate the survey to its end first.")
        return self._landscape
