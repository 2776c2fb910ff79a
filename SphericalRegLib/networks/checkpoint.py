"""Checkpoints: tensors and a JSON header in one safetensors file, written whole or not at all. No pickle."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from SphericalRegLib.checkpoint_header import KEY, VERSION, ForeignCheckpointError, NewerCheckpointError, read_header
from SphericalRegLib.errors import CheckpointError, InputError
from SphericalRegLib.whole_file import real_place, write_whole

# Of the header and all tensors; absent from files of the first versions.
_CHECKSUM = "sha256"
# What safetensors and torch raise over a damaged file.
_DAMAGE = (SafetensorError, OSError, ValueError, TypeError, LookupError, AttributeError, RuntimeError, MemoryError)


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
    kept = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    try:
        whole = {**header, "version": VERSION, "kind": kind}
        text = json.dumps({**whole, _CHECKSUM: _checksum(whole, kept)}, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"The checkpoint's header cannot be written as JSON: {error}.") from error
    content = save(kept, {KEY: text})
    try:
        if target.is_file():
            write_whole(previous(path), lambda spare: _same(real_place(target), spare))
        write_whole(target, content)
    except InputError as error:
        remark = " The one before it is kept." if target.is_file() else ""
        raise CheckpointError(f"The checkpoint was not written. {error}{remark}") from None


def load_checkpoint(path: str | os.PathLike[str], kind: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors by name, and the header, of a checkpoint of the given kind.

    Raises:
        CheckpointError: for a file that is absent, damaged (also where only its checksum tells), of another program,
            of another kind, or newer.
    """
    target = Path(path)
    if not target.is_file():
        raise CheckpointError(f"There is no checkpoint {target}: train one, or name another file.")
    try:
        header = read_header(target)
        if header["kind"] != kind:
            raise ForeignCheckpointError(
                f"{target} holds {header['kind']}, where {kind} are expected: name another file."
            )
        with safe_open(target, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
        expected = header.pop(_CHECKSUM, None)
        if expected is not None and expected != _checksum(header, tensors):
            raise ValueError("its checksum is another")
    except (ForeignCheckpointError, NewerCheckpointError):
        raise
    except (CheckpointError, *_DAMAGE) as error:
        spare = previous(target)
        remedy = f"give the one before it, {spare.name}, its name" if spare.is_file() else "copy or train it again"
        raise CheckpointError(
            f"The checkpoint {target} is damaged or of another format ({str(error)[:300]}): {remedy}."
        ) from error
    return tensors, header


def _checksum(header: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of a header and of tensors by name, with their types and shapes."""
    # as it comes back from the file: JSON knows no tuples, and no keys but text
    text = json.dumps(json.loads(json.dumps({k: v for k, v in header.items() if k != _CHECKSUM})), sort_keys=True)
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _same(file: Path, spare: Path) -> None:
    """A second name for a file where the file system has them, else a copy."""
    try:
        os.link(file, spare)
    except OSError:
        shutil.copyfile(file, spare)
