"""Output folders that get all files of a run, or none."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from SphericalRegLib.errors import InputError


@contextlib.contextmanager
def whole_folder(output: str | Path) -> Iterator[Path]:
    """A folder to write into; what it holds moves to ``output`` at the end, and is deleted after an error.

    Entering proves that ``output`` can be written to, before any work is spent. Files of the same name from an earlier
    run are replaced one by one, others stay.

    Raises:
        InputError: where it cannot be written.
    """
    folder = Path(output)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"The output {folder} is a file, where a folder is expected: name another one.")
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    stage: Path | None = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stage = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=folder))
    except OSError as error:
        _remove(None, made)
        raise _unwritable(folder, error) from None
    try:
        yield stage
        _move(stage, folder)
    finally:
        _remove(stage, made)


@contextlib.contextmanager
def whole_file(output: str | Path) -> Iterator[Path]:
    """A file to write to, with ``output``'s suffix, that becomes ``output`` at the end or is deleted after an error.

    Raises:
        InputError: where it cannot be written.
    """
    target = Path(output)
    if target.is_dir():
        raise InputError(f"The output {target} is a folder, where a file is expected: add a file name.")
    with whole_folder(target.parent) as stage:
        yield stage / target.name


def _move(stage: Path, folder: Path) -> None:
    try:
        for file in sorted(stage.iterdir()):
            os.replace(file, folder / file.name)
    except OSError as error:
        raise _unwritable(folder, error) from None


def _remove(stage: Path | None, made: list[Path]) -> None:
    """Delete the stage, and folders made for it that stayed empty."""
    if stage is not None:
        shutil.rmtree(stage, ignore_errors=True)
    for folder in made:
        with contextlib.suppress(OSError):
            folder.rmdir()


def _unwritable(folder: Path, error: OSError) -> InputError:
    return InputError(f"Cannot write to the output folder {folder}: {error.strerror or error}. Choose another place.")
