"""The ways to register that a panel offers, as settings of the engine; and what "Advanced" changes in them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from SphericalRegLib.errors import InputError

if TYPE_CHECKING:
    from SphericalRegLib.registration.settings import Settings

#: Presets, in the order in which a panel lists them.
METHODS = ("automatic", "current pose", "landmarks", "search")

#: The similarity of the chosen model aligns first; the last stage keeps its own. ``app.models`` puts it there.
LEARNED_FIRST = "learned, then default"

#: Keeps what is measured best.
DEFAULT = "default"
#: Pixels along the longer side at the last stage.
LEVELS: dict[str, int | None] = {DEFAULT: None, "fast": 96, "fine": 256}

# (degrees, mm in plane, mm in depth) to either side of the start, and candidates
_REACH = {
    "automatic": ((20.0, 40.0, 80.0), 16),
    "current pose": ((5.0, 10.0, 20.0), 4),
    "landmarks": ((8.0, 15.0, 40.0), 8),
    "search": ((35.0, 80.0, 150.0), 96),
}
_BONE_REACH = {
    "automatic": ((10.0, 10.0, 10.0), 24),
    "current pose": ((4.0, 5.0, 10.0), 8),
    "landmarks": ((6.0, 8.0, 10.0), 16),
    "search": ((20.0, 30.0, 60.0), 96),
}


def similarity_choices() -> tuple[str, ...]:
    """What "Advanced" may put in place of the last stage's similarity: the table's, and what only a panel has."""
    # the tables load torch, without which a panel opens as well
    from SphericalRegLib.similarity.table import SIMILARITIES

    return (DEFAULT, *SIMILARITIES, LEARNED_FIRST)


def optimizer_choices() -> tuple[str, ...]:
    """What "Advanced" may put in place of the last stage's optimizer."""
    from SphericalRegLib.optimization.table import OPTIMIZERS

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
    """

    similarity: str = "default"
    optimizer: str = "default"
    levels: str = "default"
    iterations: int = 0
    seed: int = 0


def settings_for(method: str, bones: bool, advanced: Advanced | None = None, kernel: str = "auto") -> Settings:
    """The settings of a method.

    Args:
        method: one of :data:`METHODS`.
        bones: whether only chosen bones are rendered.
        advanced: what the user changed.
        kernel: of the renderer.

    Raises:
        InputError: for a name that there is not, or a number of iterations below 0.
    """
    from SphericalRegLib.initialization.search import SearchRange
    from SphericalRegLib.registration.settings import Settings, bone_settings, ending_with

    chosen = advanced or Advanced()
    if method not in METHODS:
        raise InputError(f"There is no method {method!r}: choose one of {', '.join(METHODS)}.")
    (rotation, in_plane, depth), candidates = (_BONE_REACH if bones else _REACH)[method]
    base = bone_settings(kernel=kernel, seed=chosen.seed) if bones else Settings(kernel=kernel, seed=chosen.seed)
    if chosen.levels not in LEVELS:
        raise InputError(f"There are no levels {chosen.levels!r}: choose one of {', '.join(LEVELS)}.")
    if chosen.iterations < 0:
        raise InputError(f"The number of iterations is {chosen.iterations}: give 0 for the default, or more.")
    changed = ending_with(
        base,
        None if chosen.similarity in (DEFAULT, LEARNED_FIRST) else chosen.similarity,
        None if chosen.optimizer == DEFAULT else chosen.optimizer,
        LEVELS[chosen.levels],
        chosen.iterations or None,
    )
    return replace(changed, range=SearchRange(rotation, in_plane, depth), candidates=candidates)
