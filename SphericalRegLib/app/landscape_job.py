"""A landscape as a job: costs over a grid of two pose parameters."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.imaging.xray import XRay
from SphericalRegLib.landscape import PARAMETERS, Axis, Landscape, PoseGrid, Survey, image_costs
from SphericalRegLib.networks.model import load_model
from SphericalRegLib.registration.looks import looks_by_name
from SphericalRegLib.similarity.table import LEARNED


def axis(parameter: str, extent: float, steps: int) -> Axis:
    """An axis with its extent in degrees where the parameter is a rotation, as people type it, else mm.

    Raises:
        InputError: see :class:`~SphericalRegLib.landscape.Axis`.
    """
    turns = parameter in PARAMETERS and PARAMETERS[parameter].unit == "rad"
    return Axis(parameter, math.radians(extent) if turns else extent, steps)


class LandscapeJob:
    """See :class:`~SphericalRegLib.app.job.Job`. Steps are those of ``Survey``.

    Args:
        volume: of the CT.
        xrays: the views.
        pose: (4, 4) rig_from_world, in the middle.
        first, second: the axes, from :func:`axis`.
        similarities: names in ``similarity.SIMILARITIES``, and ``similarity.LEARNED`` with a model.
        size: pixels along the X-rays' longer side; for the learned one too, though it was trained for its own.
        model: file of a trained model, or None.
        bones: whether ``volume`` is of chosen bones alone: then only what lies close to their DRR is compared.
        kernel: of the renderer.

    Raises:
        InputError: for inputs of which no landscape can be made.
        CheckpointError: for a model that cannot be used, or one of another CT.
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
        model: str | Path | None = None,
        bones: bool = False,
        kernel: str = "auto",
    ) -> None:
        trained = None
        if LEARNED in similarities and model is not None:
            trained = load_model(model).to(volume.density.device)
            trained.check_ct(volume)
        looks = looks_by_name(similarities, size, bones=bones, model=trained)
        grid = PoseGrid(first, second, pose, volume.center, xrays[0].view.camera_from_rig if xrays else pose)
        costs = image_costs(volume, xrays, pose, looks, margin_mm=grid.reach_mm, kernel=kernel)
        length = next(iter(costs[0].objectives.values())).length
        self._survey = Survey(grid, costs, length)

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
