"""The commands: where each one's function is, and which of its options files fill that are named without an option.

Imports nothing heavy: the list of commands, and a command that does not exist, are told at once.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Command:
    """One command.

    Attributes:
        summary: what it does, for the list of commands.
        positionals: options that arguments without an option fill, in order; the last one takes the rest if it holds a
            list.
        start: option that holds the pose to start from, with the names of options that exclude it. A calibration that
            holds a pose fills it where none of them is given.
        written: options of this command that name files to write, where other commands read files of that name.
    """

    summary: str
    positionals: tuple[str, ...] = ("ct",)
    start: tuple[str, tuple[str, ...]] | None = None
    written: frozenset[str] = frozenset()


_STARTS = ("start_pose", ("preset", "angles", "landmarks"))
_TRACK_STARTS = ("start_pose", ("preset", "angles", "keyframes"))

#: By name; the function ``name`` lies in the module ``SphericalRegLib.cli.name``.
COMMANDS: dict[str, Command] = {
    "register": Command(
        "the main job: a CT and one or several X-rays in; pose, DRR and report out", ("ct", "xray"), _STARTS
    ),
    "track": Command(
        "bodies through a sequence of X-rays, with a verdict for every frame", ("ct", "xray"), _TRACK_STARTS
    ),
    "simulate": Command(
        "a realistic X-ray of a CT as DICOM, and its true pose apart",
        start=("pose", ("preset", "angles", "rotation_deg", "translation_mm")),
        written=frozenset({"truth"}),
    ),
    "render": Command("a DRR at a given pose", start=("pose", ("preset", "angles"))),
    "evaluate": Command("accuracy over many random cases"),
    "train": Command("a model for one CT, or a similarity for several"),
    "landscape": Command("how similarities look around a pose: pictures, tables, basins", ("ct", "xray"), _STARTS),
    "study": Command("methods of several groups trained and tried on the same cases: tables, figures", ("plan",)),
    "dataset": Command("whether a data set on the disk is whole, and its true poses are true", ("action", "path")),
    "systems": Command("the registration methods that there are, and how each is put together", ("name",)),
    "info": Command("what files hold and what is missing from them; without a file, about this machine", ("file",)),
    "demo": Command("the main job on the sample that comes with the project", ()),
}

#: Options that name files to read, of whatever command has them. That of ``info`` describes what cannot be read.
FILES = frozenset(
    {
        "anatomy",
        "ct",
        "keyframes",
        "label_names",
        "labels",
        "landmarks",
        "model",
        "path",
        "pose",
        "start",
        "start_pose",
        "trial",
        "truth",
        "view",
        "xray",
    }
)

#: Short forms of options.
SHORT = {"-o": "output", "-q": "quiet", "-v": "verbose", "-h": "help"}


def function_of(name: str) -> Callable[..., int]:
    """The function behind a command; its module is imported, and with it torch."""
    function: Callable[..., int] = getattr(importlib.import_module(f"SphericalRegLib.cli.commands.{name}"), name)
    return function


def load(arguments: Sequence[str]) -> None:
    """Import what the command of these arguments needs, if there is such a command."""
    if arguments and arguments[0] in COMMANDS:
        function_of(arguments[0])
