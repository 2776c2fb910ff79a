"""X-rays from the simulator in place of files: options of commands that can do with either, documented once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from typing_extensions import TypedDict

from SphericalRegLib.cli.console import Console
from SphericalRegLib.cli.parsing.choices import LevelName, SuiteName, ViewSetName
from SphericalRegLib.errors import InputError
from SphericalRegLib.evaluation.simulated import SimulatedCases, simulated_cases
from SphericalRegLib.evaluation.suites import VIEW_SETS, suite_named
from SphericalRegLib.imaging.ct import CT
from SphericalRegLib.simulation.levels import level_named


class SimulatedXRays(TypedDict, total=False):
    """X-rays in place of --xray, the same that "sphericalreg evaluate" registers.

    Args:
        cases: so many X-rays from the simulator in place of --xray, each looked at around its true pose.
        suite: of these, how far their true poses lie from the views; by default capture.
        level: of these, how hard they are: mild, clinical (the default) or harsh.
        views: of these, around which views they lie: all (the default) or ap.
        seed: of these.
    """

    cases: int | None
    suite: SuiteName | None
    level: LevelName | None
    views: ViewSetName | None
    seed: int | None


_NAMES = tuple(SimulatedXRays.__annotations__)
# As evaluate's.
_USUAL = {"suite": "capture", "level": "clinical", "views": "all", "seed": 0}


def wants_simulated(options: Mapping[str, Any]) -> bool:
    """Whether X-rays are to be simulated.

    Raises:
        InputError: for options of them without their number.
    """
    if options.get("cases") is not None:
        return True
    told = [f"--{name}" for name in _NAMES if options.get(name) is not None]
    if told:
        raise InputError(f"{' and '.join(told)}: of simulated X-rays, whose number --cases tells. Give it as well.")
    return False


def simulated(
    scan: CT, options: Mapping[str, Any], labels: Sequence[int | str] | None, files: Mapping[str, Any], console: Console
) -> SimulatedCases:
    """The cases that the options ask for.

    Args:
        scan: the CT.
        options: of :class:`SimulatedXRays`; other keys count for nothing.
        labels: chosen bones, or None.
        files: {option: its value} of those that tell of X-rays in files.
        console: to tell on what is done.

    Raises:
        InputError: for options of both kinds, or values that cannot be.
    """
    both = [f"--{name}" for name, value in files.items() if value is not None]
    if both:
        raise InputError(f"--cases are simulated, and lie around their true poses: leave {' and '.join(both)} out.")
    settings = settings_of(options)
    if settings["seed"] < 0:
        raise InputError(f"seed is {settings['seed']}: give 0 or more.")
    console.say("Simulating ...")
    return simulated_cases(
        scan,
        suite_named(settings["suite"]),
        settings["cases"],
        settings["seed"],
        views=VIEW_SETS[settings["views"]],
        level=level_named(settings["level"]),
        labels=labels,
    )


def settings_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of :class:`SimulatedXRays`, each as given or by default; for the record."""
    return {name: _USUAL.get(name) if options.get(name) is None else options[name] for name in _NAMES}
