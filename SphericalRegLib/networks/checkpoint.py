"""Checkpoints: tensors and a JSON header in one safetensors file, written whole or not at all. No pickle."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from SphericalRegLib.errors import CheckpointError

#: Of the layout; raised when an older program could not read what a newer one writes.
VERSION = 1
_KEY = "sphericalreg"


def previous(path: str | os.PathLike[str]) -> Path:
    """Where the last but one checkpoint is kept."""
    return Path(f"{os.fspath(path)}.previous")


def save_checkpoint(
    path: str | os.PathLike[str], kind: str, tensors: Mapping[str, Tensor], header: Mapping[str, Any]
) -> None:
    """Write a checkpoint beside ``path``, flush it to the disk, and only then let it take the place of the last one.

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
    partial = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        text = json.dumps({"version": VERSION, "kind": kind, **header}, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"The checkpoint's header cannot be written as JSON: {error}.") from error
    content = save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, {_KEY: text})
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            _keep(target)
        partial.replace(target)
        _flush_folder(target.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        kept = " The one before it is kept." if target.exists() else ""
        raise CheckpointError(
            f"The checkpoint cannot be written to {target} ({error}): free some space or name another place.{kept}"
        ) from error


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


def _keep(target: Path) -> None:
    """The present checkpoint under its second name as well; a link where the file system has them."""
    spare = previous(target)
    fresh = spare.with_name(f"{spare.name}.{os.getpid()}.part")
    fresh.unlink(missing_ok=True)
    try:
        os.link(target, fresh)
    except OSError:
        shutil.copyfile(target, fresh)
    fresh.replace(spare)


def _flush_folder(folder: Path) -> None:
    """Make the renaming itself survive a loss of power; not every system can."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
