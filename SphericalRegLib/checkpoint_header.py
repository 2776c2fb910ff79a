"""What a checkpoint's file says of itself: its header, read and checked without torch and without its tensors.

A safetensors file begins with the length of a JSON text (8 bytes), and that text: tensors by name, and text by name
under ``__metadata__``. Our header is JSON in there. Format: https://github.com/huggingface/safetensors.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from SphericalRegLib.errors import CheckpointError, InputError
from SphericalRegLib.text_files import existing_file, parse_json

#: Under which our header stands.
KEY = "sphericalreg"
#: Of the layout; raised when an older program could not read what a newer one writes.
VERSION = 1
# Bytes of the JSON text: the format's own limit.
_LONGEST = 100_000_000
# Pixels along a side, of networks that see images; mm and degrees of anything in a model's card.
_LARGEST_SIDE, _LARGEST_LENGTH = 8192, 1e6
_LONGEST_NAME = 500
_RANGE = ("rotation_deg", "in_plane_mm", "depth_mm")
_CARD = {"name", "created", "version", "intrinsics", "height", "width", "sdd", "sad", "nominal", "truth", "reach"}
_CARD_OPTIONS = {"encoder_pixels", "manifold", "damping", "length", "fingerprint", "intensities", "history"}


class ForeignCheckpointError(CheckpointError):
    """A file that is whole, but not ours."""


class NewerCheckpointError(CheckpointError):
    """A file of a later version of this program."""


def read_header(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Our header in a checkpoint, with ``version`` and ``kind``.

    Raises:
        CheckpointError: for a file that is absent or damaged.
        NewerCheckpointError: for one of a later version.
        ForeignCheckpointError: for one of another program.
    """
    target = Path(path)
    try:
        existing_file(target)
        with target.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            size = target.stat().st_size
            if not 2 <= length <= min(_LONGEST, size - 8):
                raise CheckpointError(f"{target} announces a header of {length} bytes and holds {size}")
            outer = parse_json(file.read(length), target)
        text = outer.get("__metadata__", {}).get(KEY) if isinstance(outer, dict) else None
    except (OSError, AttributeError, InputError) as error:
        raise CheckpointError(f"{target} cannot be read ({str(error)[:200]})") from None
    if not isinstance(text, str):
        raise ForeignCheckpointError(f"{target} holds tensors of another program: it has no header of ours.")
    try:
        header = parse_json(text, f"the header of {target}")
    except InputError as error:
        raise CheckpointError(f"{target} has a damaged header ({str(error)[:200]})") from None
    if not isinstance(header, dict) or not isinstance(header.get("kind"), str) or not _whole(header.get("version")):
        raise ForeignCheckpointError(f"{target} holds tensors of another program: it has no header of ours.")
    if header["version"] > VERSION:
        raise NewerCheckpointError(
            f"{target} was written by a newer SphericalReg (layout {header['version']}; this one reads {VERSION}): "
            "update it."
        )
    return header


def check_card(card: Any, name: str) -> dict[str, Any]:
    """The fields of a model's card as its header holds them, checked one by one.

    Args:
        card: from the header.
        name: of the file, for messages.

    Raises:
        CheckpointError: for a field that is missing, unknown, or of an impossible value; the message names it.
    """
    if not isinstance(card, dict) or not _CARD <= set(card) <= _CARD | _CARD_OPTIONS:
        fields = set(card) if isinstance(card, dict) else set()
        wrong = sorted(_CARD - fields) + sorted(str(field)[:40] for field in fields - _CARD - _CARD_OPTIONS)
        raise CheckpointError(f"{name} does not describe a model of ours ({', '.join(wrong)}): train it again.")
    history, seen = card.get("history", {}), card.get("fingerprint")
    side = "a whole number of pixels"
    checks: dict[str, tuple[bool, str]] = {
        **{key: (_text(card[key]), "a short text") for key in ("name", "created", "version")},
        **{key: (_whole(card[key], 1, _LARGEST_SIDE), side) for key in ("height", "width")},
        **{key: (_number(card[key], 0), "a length in mm") for key in ("sdd", "sad")},
        "intrinsics": (_matrix(card["intrinsics"], 3), "a 3×3 matrix"),
        "nominal": (_matrix(card["nominal"], 4), "a 4×4 matrix"),
        **{key: (_range(card[key]), f"the lengths {', '.join(_RANGE)}") for key in ("truth", "reach")},
        "encoder_pixels": (_whole(card.get("encoder_pixels", 32), 1, _LARGEST_SIDE), side),
        "manifold": (_text(card.get("manifold", "")), "a short text"),
        "damping": (_number(card.get("damping", 0.1), 0), "0 or more"),
        "length": (_number(card.get("length", 100.0), 0), "a length in mm"),
        "fingerprint": (seen is None or _fingerprint(seen), "a size in mm and densities"),
        "intensities": (isinstance(card.get("intensities", {}), dict), "an object"),
        "history": (isinstance(history, dict) and _validation(history), "an object"),
    }
    for field, (right, wanted) in checks.items():
        if not right:
            value = str(card.get(field))[:80]
            raise CheckpointError(f"{name} does not describe a model of ours: {field} is {value}, not {wanted}.")
    return dict(card)


def _whole(value: Any, least: int = 0, most: int = 2**31) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _number(value: Any, least: float = -math.inf) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return least <= value and abs(value) <= _LARGEST_LENGTH  # false for NaN


def _text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= _LONGEST_NAME


def _numbers(values: Any, count: int | None = None) -> bool:
    return isinstance(values, list) and (count is None or len(values) == count) and all(_number(v) for v in values)


def _matrix(rows: Any, size: int) -> bool:
    return isinstance(rows, list) and len(rows) == size and all(_numbers(row, size) for row in rows)


def _range(lengths: Any) -> bool:
    return isinstance(lengths, dict) and set(lengths) == set(_RANGE) and all(_number(v, 0) for v in lengths.values())


def _fingerprint(seen: Any) -> bool:
    return isinstance(seen, dict) and _numbers(seen.get("size_mm"), 3) and _numbers(seen.get("density"), 512)


def _validation(history: Mapping[str, Any]) -> bool:
    """Whether what is read of a training's history is as it should be; the rest is for people."""
    measured, plan = history.get("validation") or {}, history.get("plan") or {}
    lists = ("cost_at_truth", "cost_at_start", "regressed_mtre_mm", "aligned_mtre_mm")
    if not isinstance(measured, dict) or not isinstance(plan, dict):
        return False
    return all(_numbers(measured[key]) for key in lists if measured.get(key) is not None)
