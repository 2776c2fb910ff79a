"""The optimizers by name: the one table from which commands, panel, tests and documents take theirs.

A new optimizer is one file, and one line here. The table needs no torch: classes are imported when they are used.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from SphericalRegLib.errors import InputError
from SphericalRegLib.on_demand import on_demand

if TYPE_CHECKING:
    from SphericalRegLib.optimization.problem import Optimizer


@dataclass(frozen=True)
class Entry:
    """An optimizer.

    Attributes:
        name: as it is typed and stored.
        title: as it is shown.
        place: of the class: its file in this folder, and its name.
        refining: what it takes to end a registration with it: other arguments than the class's own.
        limit: the field that says how long it may take.
        former: names that older scenes, settings and scripts may hold.
    """

    name: str
    title: str
    place: str
    refining: dict[str, Any] = field(default_factory=dict)
    limit: str = "iterations"
    former: tuple[str, ...] = ()

    @property
    def make(self) -> Callable[..., Optimizer]:
        """The class."""
        found: Callable[..., Optimizer] = on_demand("SphericalRegLib.optimization", self.place)
        return found

    def to_refine(self) -> Optimizer:
        """One for the last stage of a registration."""
        return self.make(**self.refining)


_ENTRIES = (
    Entry(
        "levenberg-marquardt",
        "Levenberg-Marquardt",
        "levenberg_marquardt.LevenbergMarquardt",
        {"iterations": 20, "tolerance": 0.03, "renewal": 1},
        former=("Levenberg-Marquardt",),
    ),
    Entry(
        "adam", "Adam", "first_order.Adam", {"iterations": 60, "learning_rate": 0.5, "renewal": 10}, former=("Adam",)
    ),
    Entry(
        "sgd", "Gradient descent", "first_order.SGD", {"iterations": 60, "renewal": 10}, former=("gradient descent",)
    ),
    Entry("l-bfgs", "L-BFGS", "lbfgs.LBFGS", {"iterations": 30, "renewal": 10}, former=("L-BFGS",)),
    Entry("nelder-mead", "Nelder-Mead", "nelder_mead.NelderMead", {"iterations": 200, "size": 3.0, "renewal": 50}),
    Entry("bobyqa", "BOBYQA", "sampling.BOBYQA", {"size": 3.0, "reach": 60.0}, limit="evaluations"),
    Entry("cma-es", "CMA-ES", "sampling.CMAES", {"iterations": 60, "size": 3.0, "renewal": 20}),
)

#: By name, in the order in which they are offered.
OPTIMIZERS: dict[str, Entry] = {entry.name: entry for entry in _ENTRIES}


def optimizer_entry(name: str) -> Entry:
    """The entry of a name, or of a former one.

    Raises:
        InputError: for a name that there is not; the message lists those that there are.
    """
    for entry in _ENTRIES:
        if name == entry.name or name in entry.former:
            return entry
    raise InputError(f"There is no optimizer {name!r}: choose among {', '.join(OPTIMIZERS)}.")


def limited(optimizer: Optimizer, count: int) -> Optimizer:
    """The same optimizer with at most so many iterations, or evaluations where it counts these."""
    entry = entry_of(optimizer)
    changed: Optimizer = replace(optimizer, **{"iterations" if entry is None else entry.limit: count})  # type: ignore[type-var]
    return changed


def at_most(optimizer: Optimizer, count: int) -> Optimizer:
    """The same optimizer with no more than so many iterations, or evaluations where it counts these."""
    entry = entry_of(optimizer)
    return limited(optimizer, min(count, getattr(optimizer, "iterations" if entry is None else entry.limit)))


def entry_of(optimizer: Optimizer) -> Entry | None:
    """The entry that an optimizer was made from; None for one that is in no table."""
    return next((entry for entry in _ENTRIES if type(optimizer) is entry.make), None)
