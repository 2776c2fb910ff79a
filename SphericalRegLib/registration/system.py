"""A registration method as plain data: where it starts, how it aligns, and when it is believed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from SphericalRegLib.errors import InputError
from SphericalRegLib.initialization import Initializer, Known, SearchRange
from SphericalRegLib.networks.model import Model
from SphericalRegLib.optimization.levenberg_marquardt import LevenbergMarquardt
from SphericalRegLib.optimization.problem import Optimizer
from SphericalRegLib.optimization.table import limited, optimizer_entry
from SphericalRegLib.registration.judging.uncertainty import Calibration
from SphericalRegLib.registration.look import Look
from SphericalRegLib.registration.survey import Survey
from SphericalRegLib.registration.trained import Trained
from SphericalRegLib.similarity.table import similarity_entry


@dataclass(frozen=True)
class Stage:
    """One pass of an optimizer over all candidates that are left.

    Attributes:
        name: for progress.
        look: what is minimized.
        optimizer: what minimizes it.
        keep: candidates that go on to the next stage, the best by cost.
        prune: of these, only those whose cost is within this factor of the best.
        gate: if the best cost is above this (0: always), and the judge's sharpness (where it has one) does not clear
            it, the basin looks wrong: the stages so far, or those that ``System.again`` has in their place, are
            repeated from more candidates (``System.retries``) and the best of all attempts go on.
        also: another look by which the same candidates are followed as well; its best go on beside the look's own.
            Costs of different looks are not compared, so the stage has no gate and is not the last one.
        depths_mm: how much farther from the source (negative: nearer) the best candidate begins as well. A part of a CT
            has optima tens of millimeters off in depth that look right.

    Raises:
        InputError: where no candidate would go on, or for another look beside a gate.
    """

    name: str
    look: Look
    optimizer: Optimizer
    keep: int = 1
    prune: float = float("inf")
    gate: float = float("inf")
    also: Look | None = None
    depths_mm: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.keep < 1 or not self.prune >= 1:
            raise InputError(
                f"The stage {self.name!r} has keep={self.keep} and prune={self.prune}: give at least 1 of each, so "
                "that the best candidate goes on."
            )

        if self.also is not None and (self.gate < float("inf") or self.also.needs_model):
            raise InputError(
                f"The stage {self.name!r} has another look (also): give it no gate, and a look without a model."
            )

    def of(self, model: Model | None) -> Stage:
        """The stage with a model's own similarity, and the damping it was trained with, where it stands for one.

        Raises:
            CheckpointError: without a model that has the similarity.
        """
        if not self.look.needs_model:
            return self
        look = self.look.of(model)
        assert model is not None
        optimizer = self.optimizer
        if isinstance(optimizer, LevenbergMarquardt):
            optimizer = replace(optimizer, damping=model.card.damping)
        return replace(self, look=look, optimizer=optimizer)

    def looking(self, changed: Callable[[Look], Look]) -> Stage:
        """The stage with its looks changed."""
        return replace(self, look=changed(self.look), also=None if self.also is None else changed(self.also))


@dataclass(frozen=True)
class Limits:
    """When a result is refused.

    Attributes:
        cost: above it, under the verdict's look, images are not alike. None: nobody measured what right poses cost, and
            the verdict does without.
        cost_views: the same of several views; None: as of one.
        measured: where ``cost`` was measured, in words.
        sharpness: of a pose's cost over the lowest cost 8 mm aside
            (:mod:`~SphericalRegLib.registration.judging.sharpness`); above, it lies in no hole of its own. None: not
            looked at.
        overlap: the X-ray must see at least this share of its usable pixels behind the CT.
        condition: of the scaled normal equations: above, some direction is not observable.
        rival_cost: a second optimum elsewhere whose cost is within this factor makes the answer doubtful.
        rival_mm: what "elsewhere" means.
        movement_mm: a pose that moves farther in the last iterations before the limit has not come to rest.
    """

    cost: float | None
    measured: str = ""
    sharpness: float | None = None
    overlap: float = 0.05
    condition: float = 1e7
    rival_cost: float = 1.15
    rival_mm: float = 10.0
    movement_mm: float = 0.3
    cost_views: float | None = None

    def of_views(self, views: int) -> Limits:
        """The same with the limit of cost that belongs to so many views."""
        return self if views < 2 or self.cost_views is None else replace(self, cost=self.cost_views)


@dataclass(frozen=True)
class Judge:
    """What decides whether a result is believed.

    Attributes:
        look: at the result; that which the cost's limit was measured for. Nothing is optimized.
        limits: when to refuse.
        calibration: from the noise's deviations to intervals that hold, measured with the last stage of the
            system; by default that of whole CTs.
        opinion: whether a model's own similarity is asked as well, where its limit was measured for this CT.
        neighbors: the look by which a pose's neighbors are compared with it (the limit of sharpness); None: the same.
    """

    look: Look
    limits: Limits
    calibration: Calibration = field(default_factory=Calibration)
    opinion: bool = True
    neighbors: Look | None = None

    def looking(self, changed: Callable[[Look], Look]) -> Judge:
        """The judge with its looks changed."""
        return replace(
            self, look=changed(self.look), neighbors=None if self.neighbors is None else changed(self.neighbors)
        )


@dataclass(frozen=True)
class System:
    """A registration method; :data:`~SphericalRegLib.registration.systems.SYSTEMS` has those that come with it.

    Attributes:
        name: as it is typed and stored.
        title: in words.
        judge: of the result.
        stages: coarse to fine; without any, the best of the starts is the result.
        initializer: where it starts.
        retries: times that a stage's gate may send the search back, each time with four times the candidates.
        again: what a second try does in place of the stages before the gate: slower, and not misled by the same.
            Without any, the same once more.
        rivals: whether poses that are easily confused with the result (about and along a tubular bone's shaft, the
            opposite side) are refined as well, by the last two stages: one that fits better becomes the result, one
            that fits as well makes it doubtful.
        survey: how to look around for candidates, where more than one is tried; None: they are spread over the range.

    Raises:
        InputError: for a negative number of retries, or two looks of the last stage.
    """

    name: str
    title: str
    judge: Judge
    stages: tuple[Stage, ...] = ()
    initializer: Initializer = field(default_factory=Known)
    retries: int = 2
    rivals: bool = False
    again: tuple[Stage, ...] = ()
    survey: Survey | None = None

    def __post_init__(self) -> None:
        if self.retries < 0:
            raise InputError(f"The system {self.name!r} has retries={self.retries}: give 0 or more.")
        if self.stages and self.stages[-1].also is not None:
            raise InputError(f"The last stage of the system {self.name!r} has two looks: only one can give the result.")

    def stages_of(self, attempt: int) -> tuple[Stage, ...]:
        """What a try does, from the first one (0) on."""
        gated = next((place for place, stage in enumerate(self.stages) if stage.gate < float("inf")), None)
        if attempt == 0 or not self.again or gated is None:
            return self.stages
        return (*self.again, *self.stages[gated:])

    @property
    def needs_model(self) -> bool:
        """Whether it cannot run without a trained model."""
        looks = [self.judge.look, *(stage.look for stage in (*self.stages, *self.again))]
        return any(look.needs_model for look in looks) or self.initializer.needs_model

    @property
    def needs_encoders(self) -> bool:
        """Whether it aligns by a model's own similarity."""
        return any(stage.look.needs_model for stage in self.stages)

    def searching(self, reach: SearchRange | None = None, candidates: int | None = None) -> System:
        """The same, looking as far around what the user tells, with so many candidates; None keeps its own.

        Raises:
            InputError: for fewer than one candidate.
        """
        if reach is None and candidates is None:
            return self
        return replace(self, initializer=self.initializer.searching(reach, candidates))

    def comparing_within(self, footprint_mm: float | None) -> System:
        """The same, comparing only what lies this close to the DRR, mm at the isocenter; None keeps its own."""
        if footprint_mm is None:
            return self

        def within(look: Look) -> Look:
            return look if look.needs_model else replace(look, footprint_mm=footprint_mm)

        return replace(
            self,
            stages=tuple(stage.looking(within) for stage in self.stages),
            again=tuple(stage.looking(within) for stage in self.again),
            judge=self.judge.looking(within),
        )

    def ending_with(
        self,
        similarity: str | None = None,
        optimizer: str | None = None,
        size: int | None = None,
        iterations: int | None = None,
    ) -> System:
        """The same with another last stage. The judge goes on looking as it did when its limit was measured.

        Args:
            similarity: a name in ``similarity.SIMILARITIES``; None keeps the stage's own.
            optimizer: a name in ``optimization.OPTIMIZERS``; None keeps the stage's own.
            size: pixels along the longer side; None keeps it.
            iterations: at most so many (of BOBYQA, evaluations); None keeps their number.

        Raises:
            InputError: for a name that there is not, a number below 1, or a system without stages.
        """
        if (similarity, optimizer, size, iterations) == (None, None, None, None):
            return self
        if not self.stages:
            raise InputError(
                f"The system {self.name!r} has no stage that could compare or optimize otherwise: choose another one."
            )
        last = self.stages[-1]
        look, changed = last.look, last
        if similarity is not None:
            made = similarity_entry(similarity).make()
            # the stage's own similarity by its name keeps its parameters
            look = look if type(made) is type(look.similarity) else replace(look, similarity=made)
        if size is not None:
            look = replace(look, size=size)
        if optimizer is not None:
            changed = replace(changed, optimizer=optimizer_entry(optimizer).to_refine())
        if iterations is not None:
            if iterations < 1:
                raise InputError(f"The number of iterations is {iterations}: give 1 or more.")
            changed = replace(changed, optimizer=limited(changed.optimizer, iterations))
        return replace(self, stages=(*self.stages[:-1], replace(changed, look=look)))

    def learned_first(self) -> System:
        """The same, aligned by the model's similarity first, then by intensity; for far starts.

        The learned stage takes the place of the first one, the search at the coarsest level, and of what finds its
        candidates: it comes from farther. The last one always stays.
        """
        return replace(self, survey=None, stages=(learned_stage(), *self.stages[1:-1], *self.stages[-1:]))


def learned_stage(losses: Iterable[str] = ()) -> Stage:
    """Levenberg-Marquardt under a model's similarity, at the size and with the damping it was trained for."""
    optimizer = LevenbergMarquardt(iterations=30, tolerance=1.0)
    return Stage("learned", Look(Trained(tuple(losses)), 0), optimizer, keep=4)
