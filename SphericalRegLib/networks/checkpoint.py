"""Checkpoints: tensors and a JSON header in one safetensors file, written whole or not at all. No pickle."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from SphericalRegLib.errors import CheckpointError, InputError
from SphericalRegLib.whole_file import real_place, write_whole

#: Of the layout; raised when an older program could not read what a newer one writes.
VERSION = 1
_KEY = "sphericalreg"


def previous(path: str | os.PathLike[str]) -> Path:
    """Where the last but one checkpoint is kept."""
    return Path(f"{os.fspath(path)}.previous")


def save_checkpoint(
    path: str | os.PathLike[str], kind: str, tensors: Mapping[str, Tensor], header: Mapping[str, Any]
) -> None:
    """Write a checkpoint, which takes the place of the last one only when all of it is on the disk.

    The last one is kept as :func:`previous`, so that at every moment one whole checkpoint exists.

    Args:
        path: usually ``.safetensors``.
        kind: what it is, e.g. "encoders".
        tensors: by name.
        header: whatever JSON can hold.

    Raises:
        CheckpointError: where it cannot be written (the old one then stays), or for a header that JSON cannot hold.
    """
    target = Path(path)
    try:
        text = json.dumps({"version": VERSION, "kind": kind, **header}, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"The checkpoint's header cannot be written as JSON: {error}.") from error
    content = save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, {_KEY: text})
    try:
        if target.is_file():
            write_whole(previous(path), lambda spare: _same(real_place(target), spare))
        write_whole(target, content)
    except InputError as error:
        kept = " The one before it is kept." if target.is_file() else ""
        raise CheckpointError(f"The checkpoint was not written. {error}{kept}") from None


def load_checkpoint(path: str | os.PathLike[str], kind: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors by name, and the header, of a checkpoint of the given kind.

    Raises:
        CheckpointError: for a file that is absent, damaged, of another program, of another kind, or newer.
    """
    target = Path(path)
    if not target.is_file():
        raise CheckpointError(f"There is no checkpoint {target}: train one, or name another file.")
    try:
        with safe_open(target, "pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    except (SafetensorError, OSError, ValueError) as error:
        spare = previous(target)
        remedy = f"give the one before it, {spare.name}, its name" if spare.is_file() else "copy or train it again"
        raise CheckpointError(
            f"The checkpoint {target} is damaged or of another format ({error}): {remedy}."
        ) from error
    try:
        header = json.loads(metadata[_KEY])
        version, found = int(header["version"]), str(header["kind"])
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{target} holds tensors of another program: it has no header of ours.") from error
    if version > VERSION:
        raise CheckpointError(
            f"{target} was written by a newer SphericalReg (layout {version}; this one reads {VERSION}): update it."
        )
    if found != kind:
        raise CheckpointError(f"{target} holds {found}, where {kind} are expected: name another file.")
    return tensors, header


def _same(file: Path, spare: Path) -> None:
    """A second name for a file where the file system has them, else a copy."""
    try:
        os.link(file, spare)
    except OSError:
        shutil.copyfile(file, spare)
