"""The ways to register that a panel offers, as systems of the engine; and what "Advanced" changes in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from SphericalRegLib.errors import InputError
from SphericalRegLib.optimization.table import OPTIMIZERS
from SphericalRegLib.similarity.table import SIMILARITIES

if TYPE_CHECKING:
    from SphericalRegLib.initialization import Conditions, Uncertainty
    from SphericalRegLib.registration.system import System

#: The similarity of the chosen model aligns first; the last stage keeps its own.
LEARNED_FIRST = "learned, then default"

#: Keeps what is measured best.
DEFAULT = "default"
#: Pixels along the longer side at the last stage.
LEVELS: dict[str, int | None] = {DEFAULT: None, "fast": 96, "fine": 256}

# Of the table of systems, for the whole CT and for chosen bones; None for the table's default.
_SYSTEMS: dict[str, tuple[str, str] | None] = {
    "automatic": None,
    "current pose": ("near", "bones-near"),
    "landmarks": ("landmarks", "bones-landmarks"),
    "search": ("search", "bones-search"),
}
#: In the order in which a panel lists them.
METHODS = tuple(_SYSTEMS)


def similarity_choices() -> tuple[str, ...]:
    """What "Advanced" may put in place of the last stage's similarity: the table's, and what only a panel has."""
    return (DEFAULT, *SIMILARITIES, LEARNED_FIRST)


def optimizer_choices() -> tuple[str, ...]:
    """What "Advanced" may put in place of the last stage's optimizer."""
    return (DEFAULT, *OPTIMIZERS)


@dataclass(frozen=True)
class Advanced:
    """What the section "Advanced" holds.

    Attributes:
        similarity: one of :func:`similarity_choices`, at the last stage. The verdict goes on looking as it did when its
            limit was measured. :data:`LEARNED_FIRST` changes the first stage instead.
        optimizer: one of :func:`optimizer_choices`, at the last stage.
        levels: one of :data:`LEVELS`: "fast" ends at 96 pixels, "fine" at 256.
        iterations: at most so many at the last stage; 0 keeps the number measured best.
        seed: of the candidates.
        tolerance_mm, tolerance_deg: what the user needs; a direction is accepted where it is known to twice as much.
        typed_tolerance: percent, to which distances and spacings that the user typed are known.
        simulated_uncertainty: whether intervals come from X-rays simulated of this patient.
    """

    similarity: str = "default"
    optimizer: str = "default"
    levels: str = "default"
    iterations: int = 0
    seed: int = 0
    tolerance_mm: float = 1.0
    tolerance_deg: float = 1.0
    typed_tolerance: float = 1.0
    simulated_uncertainty: bool = False

    @property
    def conditions(self) -> Conditions:
        """Of the run."""
        from SphericalRegLib.initialization import Conditions

        uncertainty: Uncertainty = "simulated" if self.simulated_uncertainty else "calibrated"
        return Conditions("auto", self.seed, self.tolerance_mm, self.tolerance_deg, uncertainty)


def system_for(method: str, bones: bool = False, model: bool = False, advanced: Advanced | None = None) -> System:
    """The system of a method.

    Args:
        method: one of :data:`METHODS`.
        bones: whether only chosen bones are rendered.
        model: whether there is a trained model.
        advanced: what the user changed.

    Raises:
        InputError: for a name that there is not, or a number of iterations below 0.
    """
    from SphericalRegLib.registration.systems import SYSTEMS, default_system

    chosen = advanced or Advanced()
    if method not in METHODS:
        raise InputError(f"There is no method {method!r}: choose one of {', '.join(METHODS)}.")
    if chosen.levels not in LEVELS:
        raise InputError(f"There are no levels {chosen.levels!r}: choose one of {', '.join(LEVELS)}.")
    if chosen.iterations < 0:
        raise InputError(f"The number of iterations is {chosen.iterations}: give 0 for the default, or more.")
    names = _SYSTEMS[method]
    system = default_system(bones, model) if names is None else SYSTEMS[names[bones]]
    if chosen.similarity == LEARNED_FIRST:
        system = system.learned_first()
    return system.ending_with(
        None if chosen.similarity in (DEFAULT, LEARNED_FIRST) else chosen.similarity,
        None if chosen.optimizer == DEFAULT else chosen.optimizer,
        LEVELS[chosen.levels],
        chosen.iterations or None,
    )
