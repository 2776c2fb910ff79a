"""A landscape as a job: costs over a grid of two pose parameters."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.imaging.xray import XRay
from SphericalRegLib.landscape import (
    PARAMETERS,
    Axis,
    Landscape,
    PoseCosts,
    PoseDistances,
    PoseGrid,
    Progress,
    Survey,
    image_costs,
)
from SphericalRegLib.networks.model import Model, load_model
from SphericalRegLib.registration.levels import body_length
from SphericalRegLib.registration.look import Look
from SphericalRegLib.registration.looks import looks_by_name
from SphericalRegLib.similarity import LearnedSimilarity
from SphericalRegLib.similarity.table import LEARNED


def axis(parameter: str, extent: float, steps: int) -> Axis:
    """An axis with its extent in degrees where the parameter is a rotation, as people type it, else mm.

    Raises:
        InputError: see :class:`~SphericalRegLib.landscape.Axis`.
    """
    turns = parameter in PARAMETERS and PARAMETERS[parameter].unit == "rad"
    return Axis(parameter, math.radians(extent) if turns else extent, steps)


class LandscapeJob:
    """See :class:`~SphericalRegLib.app.jobs.job.Job`. Steps are those of ``Survey``.

    Args:
        volume: of the CT.
        xrays: the views.
        pose: (4, 4) rig_from_world, in the middle.
        first, second: the axes.
        looks: by which the CT is compared with the X-rays, by name.
        distances: names in ``landscape.DISTANCES``, from the pose in the middle.
        model: that the learned ones among the looks are of, or None.
        kernel: of the renderer.

    Raises:
        InputError: for inputs of which no landscape can be made.
        CheckpointError: for a model of another CT, where a look is learned.
    """

    def __init__(
        self,
        volume: Volume,
        xrays: Sequence[XRay],
        pose: Tensor,
        first: Axis,
        second: Axis,
        looks: Mapping[str, Look],
        distances: Sequence[str] = (),
        *,
        model: Model | None = None,
        kernel: str = "auto",
    ) -> None:
        if not xrays:
            raise InputError("There is no X-ray to compare with.")
        if model is not None and any(isinstance(look.similarity, LearnedSimilarity) for look in looks.values()):
            model.check_ct(volume)
        camera, length = xrays[0].view, body_length(volume)
        grid = PoseGrid(first, second, pose, volume.center, camera.camera_from_rig)
        costs: list[PoseCosts] = []
        if looks:
            costs += image_costs(volume, xrays, pose, looks, margin_mm=grid.reach_mm, kernel=kernel)
        if distances:
            costs.append(PoseDistances(tuple(distances), pose, camera, volume.center, length))
        self._survey, self._poses = Survey(grid, costs, length), len(grid)

    def __len__(self) -> int:
        """Poses."""
        return self._poses

    def __iter__(self) -> Iterator[Progress]:
        return iter(self._survey)

    def result(self) -> Landscape:
        """The whole landscape."""
        return self._survey.landscape()


def landscape_by_name(
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
) -> LandscapeJob:
    """The job of similarities that are chosen by name.

    Args:
        volume, xrays, pose, first, second, kernel: see :class:`LandscapeJob`.
        similarities: names in ``similarity.SIMILARITIES``, and ``similarity.LEARNED`` with a model.
        size: pixels along the X-rays' longer side; for the learned one too, though it was trained for its own.
        model: file of a trained model, or None; read only where its similarity is chosen.
        bones: whether ``volume`` is of chosen bones alone: then only what lies close to their DRR is compared.

    Raises:
        InputError: for inputs of which no landscape can be made.
        CheckpointError: for a model that cannot be used, or one of another CT.
    """
    trained = None
    if LEARNED in similarities and model is not None:
        trained = load_model(model).to(volume.density.device)
    looks = looks_by_name(similarities, size, bones=bones, model=trained)
    return LandscapeJob(volume, xrays, pose, first, second, looks, model=trained, kernel=kernel)


def display_axis(one: Axis) -> tuple[str, str, NDArray[np.float64]]:
    """(name, unit, values) of an axis as people read it: rotations in degrees."""
    parameter = PARAMETERS[one.parameter]
    if parameter.unit == "rad":
        return parameter.label, "°", np.rad2deg(one.values)
    return parameter.label, parameter.unit, one.values
