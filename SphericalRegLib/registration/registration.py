"""A system on a case: the one place where initializer, stages, judge and model come together."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from SphericalRegLib.errors import InputError
from SphericalRegLib.initialization import Case, Conditions, SearchRange, Starts
from SphericalRegLib.networks.model import Model
from SphericalRegLib.registration.alignment import SMALLEST_RANGE, Alignment
from SphericalRegLib.registration.judging.geometry_doubt import geometry_covariance
from SphericalRegLib.registration.judging.misread import looks_for_misreading, misread
from SphericalRegLib.registration.judging.opinion import Opinion, learned_opinion
from SphericalRegLib.registration.judging.simulated import simulated_errors
from SphericalRegLib.registration.judging.uncertainty import widened
from SphericalRegLib.registration.judging.verdict import weighed
from SphericalRegLib.registration.result import Progress, Result
from SphericalRegLib.registration.system import System
from SphericalRegLib.threads import quietly


class Registration:
    """Registers a CT to one or several X-rays that share one pose.

    Iterate it to run it; stop whenever you like; then ask for the :meth:`result`. Deterministic for given input,
    system and conditions on one device. Command line, panel, evaluation and Python all run this class.

    Args:
        case: CT, X-rays, and what is known of the pose.
        system: how; see :func:`~SphericalRegLib.registration.systems.system_for`.
        conditions: kernel and seed.

    Raises:
        CheckpointError: for a model of another CT, or where the system needs what the model lacks.
        InputError: for bones alone, where the learned similarity is to align them, or for intervals by simulation
            without the scan or of a system that aligns nothing.
    """

    def __init__(self, case: Case, system: System, conditions: Conditions | None = None) -> None:
        self._case = case
        self._system = system
        self._conditions = conditions or Conditions()
        self._opinion: Opinion | None = None
        self._alignment: Alignment | None = None
        self._starts: Starts | None = None
        self._spent = 0.0
        self._judged: Result | None = None
        model = case.model
        if self._conditions.uncertainty == "simulated" and case.scan is None:
            raise InputError("Intervals by simulated X-rays (uncertainty='simulated') need the case's scan: give it.")
        if self._conditions.uncertainty == "simulated" and not system.stages:
            raise InputError(
                f"The system {system.name!r} aligns nothing, so that simulated X-rays tell nothing of it: leave out "
                "uncertainty='simulated', or choose another system."
            )
        if case.whole is not None and system.needs_encoders:
            raise InputError(
                "The learned similarity compares whole CTs: align bones alone without it (leave out --learned_stage; "
                "in the panel choose another similarity under Advanced)."
            )
        self._bound = replace(
            system,
            stages=tuple(stage.of(model) for stage in system.stages),
            again=tuple(stage.of(model) for stage in system.again),
            judge=replace(system.judge, look=system.judge.look.of(model)),
        )
        if model is not None:
            model.check_ct(case.volume if case.whole is None else case.whole)
            if case.whole is None and system.judge.opinion:
                self._opinion = learned_opinion(model)

    @quietly
    def __iter__(self) -> Iterator[Progress]:
        began = time.perf_counter()
        starts = yield from self._system.initializer.start(self._case, self._conditions)
        self._spent = time.perf_counter() - began
        self._starts = self._with_leeway(starts)
        self._alignment = Alignment(
            self._case.volume, self._case.xrays, self._starts, self._bound, self._conditions, self._opinion
        )
        yield from self._alignment
        self._judged = self._alignment.result()
        yield from self._simulated(self._judged)
        yield from self._explained(self._judged)

    def _simulated(self, result: Result) -> Iterator[Progress]:
        """Of a result that is not refused anyway, intervals of its own."""
        if self._conditions.uncertainty != "simulated" or result.verdict.refusals:
            return
        assert self._case.scan is not None
        began, views = time.perf_counter(), [xray.view for xray in self._case.xrays]
        try:
            errors = yield from simulated_errors(
                self._case.scan, self._case, self._bound, result.pose, self._conditions
            )
        except InputError as error:
            # the pose is there all the same
            self._judged = replace(result, verdict=result.verdict.refused(str(error)))
            return
        of_images = errors.half_widths(views[0])
        if len(views) == 1 and not self._bound.judge.calibration.one_view_depth:
            # the last stage begins too near to find the other depths that fit
            of_images = replace(of_images, depth_mm=float("inf"))
        known = widened(of_images, geometry_covariance(self._case.volume, views, result.pose), views[0])
        dear = errors.refusal(result.verdict_cost)
        refusals, remarks = () if dear is None else (dear,), result.verdict.remarks
        self._judged = replace(
            result,
            half_widths=known,
            of_images=of_images,
            intervals_from=f"{len(errors.twists)} clinical X-rays simulated of this CT at this pose",
            verdict=weighed(refusals, remarks, known, of_images, self._conditions),
            seconds=result.seconds + time.perf_counter() - began,
        )

    def _explained(self, result: Result) -> Iterator[Progress]:
        """Of a result that is rejected, what most likely is wrong."""
        if not result.verdict.refusals or not looks_for_misreading(self._bound):
            return
        began = time.perf_counter()
        assert self._starts is not None
        xrays = self._case.xrays
        assert self._alignment is not None
        survey_cost = self._alignment.survey_cost
        found = yield from misread(self._case.volume, xrays, self._starts, self._bound, self._conditions, survey_cost)
        verdict = result.verdict if found is None else result.verdict.refused(found)
        self._judged = replace(result, verdict=verdict, seconds=result.seconds + time.perf_counter() - began)

    @quietly
    def result(self) -> Result:
        """The result so far; of a run that was stopped, the verdict says so.

        Raises:
            InputError: before the first step of the alignment.
        """
        if self._alignment is None:
            raise InputError("The registration has not begun: iterate it first.")
        result = self._judged or self._alignment.result()
        return replace(result, seconds=result.seconds + self._spent)

    @property
    def system(self) -> System:
        """As it was given."""
        return self._system

    @property
    def conditions(self) -> Conditions:
        """Of the run."""
        return self._conditions

    @property
    def starts(self) -> Starts:
        """Where it started.

        Raises:
            InputError: before they are known.
        """
        if self._starts is None:
            raise InputError("The registration has not begun: iterate it first.")
        return self._starts

    @property
    def origin(self) -> str:
        """In words, where the starts come from, and whether the learned similarity moves them first."""
        model = self._case.model
        if model is None or not self._system.needs_encoders:
            return self.starts.origin
        return f"{self.starts.origin}, then the learned similarity of the model {model.card.name!r}"

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know of how it was done."""
        met = () if self._alignment is None else self._alignment.notes
        return (*self.starts.notes, *met, *self._unused(self._case.model))

    def _with_leeway(self, starts: Starts) -> Starts:
        """A result may lie as much farther from its start as the learned similarity was trained to reach."""
        model = self._case.model
        if model is None or not self._system.needs_encoders:
            return starts
        reach = SearchRange(**model.card.reach)
        farther = max(
            getattr(reach, axis) / max(getattr(starts.reach, axis), SMALLEST_RANGE)
            for axis in ("rotation_deg", "in_plane_mm", "depth_mm")
        )
        return replace(starts, leeway=max(starts.leeway, 1.0 + farther))

    def _unused(self, model: Model | None) -> tuple[str, ...]:
        if model is None or self._case.whole is not None or self._opinion is not None or self._system.needs_encoders:
            return ()
        if model.regressor is not None and self._system.needs_model:
            return ()
        return (
            f"Nothing of the model {model.card.name!r} was used: it does not tell where to start, and what its "
            "similarity costs at right poses of this patient was not measured. To align by its similarity first, "
            "choose that (--learned_stage; in the panel under Advanced, Similarity).",
        )


def register(
    case: Case,
    system: System,
    conditions: Conditions | None = None,
    on_step: Callable[[Progress], None] | None = None,
) -> Result:
    """Run a :class:`Registration` to its end."""
    registration = Registration(case, system, conditions)
    for step in registration:
        if on_step is not None:
            on_step(step)
    return registration.result()
