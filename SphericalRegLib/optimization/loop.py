"""The one loop of all optimizers: who still moves, when weights are renewed, what was best, when it ends.

An optimizer is a rule: what it remembers (``init``), which state it tries next (``propose``), and what it makes of
what it finds there (``accept``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from SphericalRegLib.errors import InputError
from SphericalRegLib.optimization.problem import Linearization, Problem, Step, Weights, pick
from SphericalRegLib.optimization.state import State

#: What a rule remembers: tensors whose first dimension counts the hypotheses.
Memory = tuple[Tensor, ...]


@dataclass(frozen=True)
class Options:
    """What every optimizer has.

    Attributes:
        iterations: at most so many.
        renewal: robust weights are renewed every so many iterations, at the best states; 0 never.
        keep_best: whether a step shows the best states so far, or the present ones.
        spread: a hypothesis is done when its last ``window`` costs differ by no more than this (ProST, SOPI); 0 never.
        window: of the spread, costs.

    Raises:
        InputError: for a negative number of iterations or a window below 2.
    """

    iterations: int = 100
    renewal: int = 0
    keep_best: bool = True
    spread: float = 0.0
    window: int = 10

    def __post_init__(self) -> None:
        if self.iterations < 0 or self.renewal < 0 or self.window < 2:
            raise InputError(
                f"iterations={self.iterations} and renewal={self.renewal} must be 0 or more, window={self.window} 2 or "
                "more."
            )


@dataclass(frozen=True)
class Point:
    """Hypotheses with what is known of the cost there; ``source`` is what it came from, for all of them at once."""

    state: State
    cost: Tensor
    gradient: Tensor
    curvature: Tensor | None
    source: Linearization | None = field(repr=False, default=None)

    def select(self, indices: Tensor) -> Point:
        """Some of them, by index."""
        curvature = None if self.curvature is None else self.curvature[indices]
        return Point(self.state.select(indices), self.cost[indices], self.gradient[indices], curvature)

    def put(self, indices: Tensor, other: Point) -> Point:
        """The same with others at indices (A,)."""
        curvature = None
        if self.curvature is not None and other.curvature is not None:
            curvature = self.curvature.index_copy(0, indices, other.curvature)
        return Point(
            self.state.put(indices, other.state),
            self.cost.index_copy(0, indices, other.cost),
            self.gradient.index_copy(0, indices, other.gradient),
            curvature,
        )


@dataclass(frozen=True)
class Evaluator:
    """The cost as a rule sees it: of the hypotheses that still move.

    Attributes:
        problem: the cost.
        weights: of these hypotheses.
        indices: (A,) which of the batch they are.
    """

    problem: Problem
    weights: Weights | None
    indices: Tensor

    def point(self, state: State, jacobian: bool = True) -> Point:
        """The hypotheses at a state, one for each."""
        return _point(state, self.problem.linearize(state, self.weights, jacobian), jacobian)

    def costs(self, state: State, owners: Tensor) -> Tensor:
        """Costs of a state whose hypotheses belong to ``owners`` (counted among these), in one batch."""
        return self.problem.linearize(state, pick(self.weights, owners), jacobian=False).cost


@dataclass(frozen=True)
class Outcome:
    """What a rule makes of the A states that it tried.

    Attributes:
        accepted: (A,) bool: where they take the place of the present ones.
        rested: (A,) bool: where it would stop; under renewed weights it must rest once more.
        ended: (A,) bool: where it stops for good.
        damping: (A,) for ``Step``.
        memory: what it remembers now.
    """

    accepted: Tensor
    rested: Tensor
    ended: Tensor
    damping: Tensor
    memory: Memory


class Rule(Protocol):
    """One way to optimize."""

    @property
    def options(self) -> Options:
        """Of the loop."""
        ...

    @property
    def needs_jacobian(self) -> bool:
        """Whether gradients are wanted at all."""
        ...

    @property
    def first_damping(self) -> float:
        """For the first ``Step``."""
        ...

    def init(self, evaluator: Evaluator, point: Point) -> Memory:
        """What it remembers at the start."""
        ...

    def renewed(self, evaluator: Evaluator, point: Point, memory: Memory) -> Memory:
        """What it remembers after the cost has changed with its weights."""
        ...

    def propose(self, evaluator: Evaluator, point: Point, memory: Memory, iteration: int) -> tuple[Point, Memory]:
        """The states to try, with their cost, and what it remembers of them."""
        ...

    def accept(self, point: Point, trial: Point, memory: Memory) -> Outcome:
        """What it makes of them."""
        ...


def iterate(rule: Rule, problem: Problem, state: State) -> Iterator[Step]:
    """Run a rule from a state; see :class:`~SphericalRegLib.optimization.problem.Optimizer`."""
    options, count = rule.options, len(state)
    everyone = torch.arange(count)
    latest: Linearization | None = problem.linearize(state, jacobian=rule.needs_jacobian)
    weights: Weights | None = None
    if options.renewal:
        assert latest is not None
        latest, weights = problem.renew(latest)
    assert latest is not None
    point = best = _point(state, latest, rule.needs_jacobian)
    memory = rule.init(Evaluator(problem, weights, everyone), point)
    damping = torch.full((count,), rule.first_damping, dtype=torch.float64)
    done = torch.zeros(count, dtype=torch.bool)
    # what has come to rest under old weights must come to rest under new ones before it is done
    settled = torch.zeros(count, dtype=torch.bool)
    recent = torch.full((count, options.window), torch.nan, dtype=torch.float64)
    since_renewal = 0
    yield Step(state, point.cost, damping, 0, done, weights)
    for iteration in range(1, options.iterations + 1):
        resting = torch.zeros_like(settled)
        if options.renewal and (since_renewal >= options.renewal or bool((settled | done).all())):
            # who is done costs nothing any more, however long the others take
            alive = torch.nonzero(~done)[:, 0]
            if latest is None or len(latest.cost) != len(alive):
                latest = problem.linearize(best.state.select(alive), jacobian=rule.needs_jacobian)
            latest, fresh = problem.renew(latest)
            assert weights is not None
            weights = tuple(old.index_copy(0, alive, new) for old, new in zip(weights, fresh, strict=True))
            present = _point(best.state.select(alive), latest, rule.needs_jacobian)
            point = best = best.put(alive, present)
            renewed = rule.renewed(Evaluator(problem, fresh, alive), present, _picked(memory, alive))
            memory = _put(memory, alive, renewed)
            recent = torch.full_like(recent, torch.nan)
            since_renewal, resting, settled = 0, settled, resting
        since_renewal += 1
        active = torch.nonzero(~(done | settled))[:, 0]
        present = point.select(active)
        evaluator = Evaluator(problem, pick(weights, active), active)
        trial, remembered = rule.propose(evaluator, present, _picked(memory, active), iteration)
        outcome = rule.accept(present, trial, remembered)
        memory = _put(memory, active, outcome.memory)
        damping = damping.index_copy(0, active, outcome.damping)
        taken = torch.nonzero(outcome.accepted)[:, 0]
        better = trial.cost < best.cost[active]
        if taken.numel():
            point = point.put(active[taken], trial.select(taken))
            # rendered at the best states, where one batch holds all that are not done: renewed weights need no new
            # images
            whole = len(active) == int((~done).sum()) and bool((outcome.accepted & better).all())
            latest = trial.source if whole else None
        improved = torch.nonzero(outcome.accepted & better)[:, 0]
        best = best.put(active[improved], trial.select(improved)) if improved.numel() else best
        recent = recent.index_copy(0, active, torch.cat([recent[active, 1:], trial.cost[:, None]], dim=1))
        flat = (recent.amax(1) - recent.amin(1) <= options.spread) & (options.spread > 0)
        settled, done = settled.clone(), done.clone()
        settled[active] = outcome.rested | outcome.ended | flat[active]
        done[active] = outcome.ended | (settled[active] & (resting[active] | (options.renewal == 0)))
        shown = best if options.keep_best else point
        yield Step(shown.state, shown.cost, damping, iteration, done, weights)
        if bool(done.all()):
            return


def _point(state: State, at: Linearization, jacobian: bool) -> Point:
    if not jacobian:
        return Point(state, at.cost, at.gradient[:, :0], None, at)
    return Point(state, at.cost, at.gradient, at.curvature, at)


def _picked(memory: Memory, indices: Tensor) -> Memory:
    return tuple(part[indices] for part in memory)


def _put(memory: Memory, indices: Tensor, fresh: Memory) -> Memory:
    return tuple(part.index_copy(0, indices, new) for part, new in zip(memory, fresh, strict=True))
