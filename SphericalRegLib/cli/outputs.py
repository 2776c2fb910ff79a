"""What a command writes: whole, never over its inputs, and said where it went when a link led there."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from SphericalRegLib.cli.console import Console
from SphericalRegLib.errors import InputError
from SphericalRegLib.whole_file import real_place, whole_files, whole_folder

# Files of this process's command that are in their places.
_written: list[Path] = []


def written() -> list[Path]:
    """Files that the present command has put into their places, whole."""
    return _written


def forget_written() -> None:
    """A command begins."""
    _written.clear()


@contextlib.contextmanager
def output_folder(console: Console, output: str, names: Sequence[str], inputs: Iterable[str | None]) -> Iterator[Path]:
    """A folder to write a command's files into, as :func:`~SphericalRegLib.whole_file.whole_folder`.

    Args:
        console: that is told of links.
        output: the folder.
        names: of the files that will be written, with * for any characters.
        inputs: files and folders that the command reads; None counts for nothing.

    Raises:
        InputError: where it cannot be written, or an input would be overwritten.
    """
    place = real_place(output)
    _say_link(console, Path(output), place)
    _refuse_inputs([file for name in names for file in place.glob(name)], inputs)
    before = len(_written)
    with whole_folder(place, _written) as stage:
        yield stage
    for path in _written[before:]:
        if path.parent != place:
            console.say(f"A file in {output} is a link: written to {path.resolve()}.")


@contextlib.contextmanager
def output_files(console: Console, outputs: Sequence[str], inputs: Iterable[str | None]) -> Iterator[tuple[Path, ...]]:
    """Files to write to, that become the outputs together, as :func:`~SphericalRegLib.whole_file.whole_files`.

    Raises:
        InputError: where one cannot be written, two are the same, or an input would be overwritten.
    """
    places = [real_place(output) for output in outputs]
    for output, place in zip(outputs, places, strict=True):
        _say_link(console, Path(output), place)
    for number, place in enumerate(places):
        for other in places[:number]:
            if _is_same(place, other):
                raise InputError(f"Two outputs would be the same file, {place}: name two.")
    read = [name for name in inputs if name is not None]
    _refuse_inputs(places, read)
    # what stands in the folder of a series is taken for a part of it
    _refuse_inputs(places, [str(place) for place in places if place.is_file() and _lies_in_one_of(place, read)])
    with whole_files(*places, written=_written) as files:
        yield files


def _say_link(console: Console, output: Path, place: Path) -> None:
    if output != place:
        console.say(f"The output {output} is a link: written to {place}.")


def _refuse_inputs(places: Iterable[Path], inputs: Iterable[str | None]) -> None:
    """See that no place is one of the inputs.

    Raises:
        InputError: where one is.
    """
    read = [Path(name) for name in inputs if name is not None]
    for place in places:
        for path in read:
            if _is_same(place, path):
                raise InputError(f"The output {place} would overwrite the input {path}: name another output.")


def _lies_in_one_of(place: Path, inputs: Iterable[str]) -> bool:
    return any(os.path.isdir(folder) and _is_same(place.parent, Path(folder)) for folder in inputs)


def _is_same(first: Path, second: Path) -> bool:
    """Whether two paths lead to one file, by whatever links."""
    try:
        return os.path.samefile(first, second)
    except OSError:
        # one is not there yet
        return os.path.realpath(first) == os.path.realpath(second)
