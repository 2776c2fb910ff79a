"""The studies: around which views truths lie, how far from them, and how far starts lie from the truth."""

from __future__ import annotations

from dataclasses import dataclass

from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry.carm import PRESETS
from SphericalRegLib.initialization.search import SearchRange


@dataclass(frozen=True)
class Suite:
    """One study; ranges are half widths of uniform draws about, and along, the camera's axes.

    Attributes:
        name: of the study.
        truth: of the true poses around the AP view.
        start: of the starts around the truth; None: registration is told nothing.
    """

    name: str
    truth: SearchRange
    start: SearchRange | None

    @property
    def search(self) -> SearchRange:
        """How far from what registration starts from the truth may lie."""
        return self.truth if self.start is None else self.start


#: Views that truths may lie around: DICOM positioner angles (primary, secondary), degrees.
VIEWS: dict[str, tuple[float, float]] = {
    **PRESETS,
    "left oblique": (135.0, 0.0),
    "right oblique": (-135.0, 0.0),
}

#: Sets of views by name; case i is of the i-th of them, in turn.
VIEW_SETS: dict[str, tuple[str, ...]] = {
    "ap": ("AP",),
    # odd, so that each view has cases with and without instruments
    "all": ("AP", "left lateral", "PA", "left oblique", "right lateral", "AP", "right oblique"),
}

#: By name.
SUITES: dict[str, Suite] = {
    suite.name: suite
    for suite in (
        Suite("capture", SearchRange(20, 50, 60), SearchRange(20, 40, 80)),
        Suite("blind", SearchRange(20, 50, 100), None),
        Suite("wide", SearchRange(20, 50, 60), SearchRange(45, 80, 150)),
        # single bones, whose systems expect starts no farther off
        Suite("bones", SearchRange(20, 50, 60), SearchRange(10, 10, 10)),
        # with a similarity that was trained on other patients
        Suite("agnostic", SearchRange(20, 50, 60), SearchRange(20, 40, 80)),
    )
}


def suite_named(name: str) -> Suite:
    """A study by its name.

    Raises:
        InputError: for one that there is not.
    """
    if name not in SUITES:
        raise InputError(f"There is no suite {name!r}: choose from {', '.join(SUITES)}.")
    return SUITES[name]
