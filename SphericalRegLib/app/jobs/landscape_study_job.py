"""Landscapes around the true poses of many simulated X-rays, as one job."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from SphericalRegLib.app.jobs.landscape_job import LandscapeJob
from SphericalRegLib.errors import InputError
from SphericalRegLib.evaluation.simulated import SimulatedCases
from SphericalRegLib.landscape import Axis, Landscape, Progress
from SphericalRegLib.landscape.report import as_json
from SphericalRegLib.networks.model import Model
from SphericalRegLib.registration.look import Look
from SphericalRegLib.reporting.landscape_study import over_cases


@dataclass(frozen=True)
class LandscapeStudy:
    """What comes of it.

    Attributes:
        first: the first case's landscape.
        costs: {cost: its numbers over the cases}, see
            :func:`~SphericalRegLib.reporting.landscape_study.over_cases`.
    """

    first: Landscape
    costs: dict[str, dict[str, Any]]


class LandscapeStudyJob:
    """See :class:`~SphericalRegLib.app.jobs.job.Job`. Steps tell the poses done, of those of all cases.

    Args:
        made: the cases.
        first, second, looks, distances, model, kernel: see :class:`~SphericalRegLib.app.jobs.landscape_job.LandscapeJob`.
    """

    def __init__(
        self,
        made: SimulatedCases,
        first: Axis,
        second: Axis,
        looks: Mapping[str, Look],
        distances: Sequence[str] = (),
        *,
        model: Model | None = None,
        kernel: str = "auto",
    ) -> None:
        self._cases, self._axes = made.cases, (first, second)

        def job(number: int) -> LandscapeJob:
            case = made.cases[number]
            return LandscapeJob(
                made.volume, [case.xray], case.truth, first, second, looks, distances, model=model, kernel=kernel
            )

        # what cannot be is told before any work is spent
        self._job, self._poses = job, len(job(0))
        self._first: Landscape | None = None
        self._numbers: list[dict[str, Any]] = []

    def __len__(self) -> int:
        """Poses of all cases."""
        return self._poses * len(self._cases)

    def __iter__(self) -> Iterator[Progress]:
        self._first, self._numbers = None, []
        for number in range(len(self._cases)):
            job = self._job(number)
            for at in job:
                yield Progress(number * self._poses + at.done, len(self))
            found = job.result()
            self._first = self._first or found
            self._numbers.append(as_json(found)["costs"])

    def result(self) -> LandscapeStudy:
        """The first landscape, and numbers over all.

        Raises:
            InputError: before the last step.
        """
        if self._first is None or len(self._numbers) < len(self._cases):
            raise InputError("The study is not finished: iterate it to its end first.")
        return LandscapeStudy(self._first, over_cases(self._numbers, self._axes))
