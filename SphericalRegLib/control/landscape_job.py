"""A landscape as a job: costs over a grid of two pose parameters."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.imaging.xray import XRay
from SphericalRegLib.landscape import PARAMETERS, SIMILARITIES, Axis, Landscape, PoseGrid, Survey, image_costs


def axis(parameter: str, extent: float, steps: int) -> Axis:
    """An axis with its extent in degrees where the parameter is a rotation, as people type it, else mm.

    Raises:
        InputError: see :class:`~SphericalRegLib.landscape.Axis`.
    """
    turns = parameter in PARAMETERS and PARAMETERS[parameter].unit == "rad"
    return Axis(parameter, math.radians(extent) if turns else extent, steps)


class LandscapeJob:
    """See :class:`~SphericalRegLib.control.job.Job`. Steps are those of ``Survey``.

    Args:
        volume: of the CT.
        xrays: the views.
        pose: (4, 4) rig_from_world, in the middle.
        first, second: the axes, from :func:`axis`.
        similarities: names in ``landscape.SIMILARITIES``.
        size: pixels along the X-rays' longer side.
        kernel: of the renderer.

    Raises:
        InputError: for inputs of which no landscape can be made.
    """

    def __init__(
        self,
        volume: Volume,
        xrays: Sequence[XRay],
        pose: Tensor,
        first: Axis,
        second: Axis,
        similarities: Sequence[str],
        size: int = 64,
        kernel: str = "auto",
    ) -> None:
        if unknown := [name for name in similarities if name not in SIMILARITIES]:
            raise InputError(f"There is no similarity {unknown[0]!r}: choose among {', '.join(SIMILARITIES)}.")
        grid = PoseGrid(first, second, pose, volume.center, xrays[0].view.camera_from_rig if xrays else pose)
        chosen = {name: SIMILARITIES[name] for name in similarities}
        costs = image_costs(volume, xrays, pose, chosen, size=size, kernel=kernel)
        length = next(iter(costs.objectives.values())).length
        self._survey = Survey(grid, [costs], length)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._survey)

    def result(self) -> Landscape:
        """The whole landscape."""
        return self._survey.landscape()


def display_axis(one: Axis) -> tuple[str, str, NDArray[np.float64]]:
    """(name, unit, values) of an axis as people read it: rotations in degrees."""
    parameter = PARAMETERS[one.parameter]
    if parameter.unit == "rad":
        return parameter.label, "°", np.rad2deg(one.values)
    return parameter.label, parameter.unit, one.values
