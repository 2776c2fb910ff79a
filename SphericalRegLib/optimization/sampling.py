"""Optimizers of other libraries that only look at the cost: BOBYQA of NLopt, CMA-ES of cma. One hypothesis each."""

from __future__ import annotations

import contextlib
import importlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from SphericalRegLib.errors import InputError
from SphericalRegLib.optimization.loop import Evaluator, Memory, Options, Outcome, Point, iterate
from SphericalRegLib.optimization.problem import Problem, Step
from SphericalRegLib.optimization.state import State


@dataclass(frozen=True)
class BOBYQA(Options):
    """Powell's BOBYQA (2009) through NLopt, of the optional dependencies ``evaluation``.

    NLopt cannot be paused, so that each :class:`~SphericalRegLib.optimization.problem.Step` is one finished hypothesis;
    ``iterations`` counts these.

    Attributes:
        evaluations: of the cost at most, for each hypothesis.
        size: radius of the first trust region, mm.
        reach: mm that the search may leave the start along each parameter.
        tolerance: mm, a hypothesis is done when steps are shorter.
    """

    iterations: int = 10_000
    evaluations: int = 500
    size: float = 10.0
    reach: float = 200.0
    tolerance: float = 0.01

    def steps(self, problem: Problem, state: State) -> Iterator[Step]:
        """Iterate; see :class:`~SphericalRegLib.optimization.problem.Optimizer`.

        Raises:
            InputError: where NLopt is not installed.
        """
        return iterate(_Bobyqa(self, state, _library("nlopt", "BOBYQA")), problem, state)


@dataclass(frozen=True)
class CMAES(Options):
    """Covariance matrix adaptation (Hansen 2016) through cma, of the optional dependencies ``evaluation``.

    Each iteration is a generation; those of all hypotheses are rendered in one batch.

    Attributes:
        population: of a generation; 0 takes cma's own, 4 + 3 ln P.
        size: deviation of the first generation, mm.
        tolerance: a hypothesis rests when its generations spread over less than this, mm.
        seed: of the sampling.
    """

    iterations: int = 200
    population: int = 0
    size: float = 10.0
    tolerance: float = 0.01
    seed: int = 0

    def steps(self, problem: Problem, state: State) -> Iterator[Step]:
        """Iterate; see :class:`~SphericalRegLib.optimization.problem.Optimizer`.

        Raises:
            InputError: where cma is not installed.
        """
        return iterate(_Cmaes(self, state, _library("cma", "CMA-ES")), problem, state)


class _Sampler(ABC):
    """Points are mm from the start. Memory: which hypotheses are finished (B,), as float64."""

    needs_jacobian = False

    def __init__(self, options: BOBYQA | CMAES, start: State) -> None:
        self.options = options
        self.first_damping = options.size
        self._start = start

    def init(self, evaluator: Evaluator, point: Point) -> Memory:
        return (torch.zeros(len(point.state), dtype=torch.float64),)

    def renewed(self, evaluator: Evaluator, point: Point, memory: Memory) -> Memory:
        return memory

    @abstractmethod
    def propose(self, evaluator: Evaluator, point: Point, memory: Memory, iteration: int) -> tuple[Point, Memory]:
        """See :class:`~SphericalRegLib.optimization.loop.Rule`."""

    def accept(self, point: Point, trial: Point, memory: Memory) -> Outcome:
        size = torch.full_like(trial.cost, self.options.size)
        return Outcome(trial.cost < point.cost, memory[0] > 0, memory[0] > 1, size, memory)

    def _at(self, points: Tensor, indices: Tensor) -> State:
        return self._start.select(indices).retract(points / self._start.scale)


class _Bobyqa(_Sampler):
    options: BOBYQA

    def __init__(self, options: BOBYQA, start: State, nlopt: Any) -> None:
        super().__init__(options, start)
        self._nlopt = nlopt

    def propose(self, evaluator: Evaluator, point: Point, memory: Memory, iteration: int) -> tuple[Point, Memory]:
        """The first hypothesis that is left, to its end; the others stay."""
        nlopt, first = self._nlopt, torch.tensor([0])
        parameters = len(self._start.scale)
        best_point, best_cost = torch.zeros(1, parameters, dtype=torch.float64), float(point.cost[0])

        def evaluate(place: NDArray[np.float64], _: NDArray[np.float64]) -> float:
            nonlocal best_point, best_cost
            at = torch.tensor(place, dtype=torch.float64)[None]
            cost = float(evaluator.costs(self._at(at, evaluator.indices[:1]), first)[0])
            if cost < best_cost:
                best_point, best_cost = at, cost
            return cost

        search = nlopt.opt(nlopt.LN_BOBYQA, parameters)
        search.set_min_objective(evaluate)
        search.set_lower_bounds([-self.options.reach] * parameters)
        search.set_upper_bounds([self.options.reach] * parameters)
        search.set_initial_step(self.options.size)
        search.set_maxeval(self.options.evaluations)
        search.set_xtol_abs(self.options.tolerance)
        # Powell's code gives up where rounding hides the descent; the best point until then stands.
        with contextlib.suppress(nlopt.RoundoffLimited):
            search.optimize([0.0] * parameters)
        state = point.state.put(first, self._at(best_point, evaluator.indices[:1]))
        cost = point.cost.index_fill(0, first, best_cost)
        finished = memory[0].index_fill(0, first, 2.0)
        return Point(state, cost, point.gradient, None), (finished,)


class _Cmaes(_Sampler):
    options: CMAES

    def __init__(self, options: CMAES, start: State, cma: Any) -> None:
        super().__init__(options, start)
        parameters = len(start.scale)
        settings: dict[str, Any] = {"verbose": -9, "tolx": options.tolerance}
        if options.population:
            settings["popsize"] = options.population
        # cma takes a seed of 0 for "any"
        self._searches = [
            cma.CMAEvolutionStrategy([0.0] * parameters, options.size, {**settings, "seed": options.seed + n + 1})
            for n in range(len(start))
        ]

    def propose(self, evaluator: Evaluator, point: Point, memory: Memory, iteration: int) -> tuple[Point, Memory]:
        """A generation of each hypothesis; its best member is tried."""
        searches = [self._searches[n] for n in evaluator.indices.tolist()]
        generations = [search.ask() for search in searches]
        owners = torch.arange(len(searches)).repeat_interleave(len(generations[0]))
        points = torch.tensor(np.concatenate(generations), dtype=torch.float64)
        costs = evaluator.costs(self._at(points, evaluator.indices[owners]), owners).view(len(searches), -1)
        # out of sight is worse than any cost, and cma counts with it
        finite = costs.nan_to_num(posinf=1e6).numpy()
        for search, generation, values in zip(searches, generations, finite, strict=True):
            search.tell(generation, values.tolist())
        cost, member = costs.min(dim=1)
        winners = points.view(*costs.shape, -1)[torch.arange(len(searches)), member]
        finished = torch.tensor([1.0 if search.stop() else 0.0 for search in searches], dtype=torch.float64)
        return Point(self._at(winners, evaluator.indices), cost, point.gradient, None), (finished,)


def check_library(optimizer: object) -> None:
    """See that the library of an optimizer is there, before anything is spent on a run that needs it.

    Raises:
        InputError: where it is not.
    """
    if isinstance(optimizer, BOBYQA):
        _library("nlopt", "BOBYQA")
    elif isinstance(optimizer, CMAES):
        _library("cma", "CMA-ES")


def _library(name: str, what: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise InputError(
            f"The optimizer {what} needs {name}, which is not installed: pip install 'sphericalreg[evaluation]', "
            "or choose Nelder-Mead."
        ) from error
