"""What kernels make of a density before they render it, kept with the density: one place for all kernels."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from torch import Tensor

_T = TypeVar("_T")

# Of one density and function: a biplane system needs two.
_LAYOUTS = 2


@dataclass(frozen=True)
class _Kept:
    """All that is kept of one density in one state: {function: {its further arguments: what it made}}."""

    density: weakref.ref[Tensor]
    version: int
    made: dict[Callable[..., Any], dict[tuple[Hashable, ...], Any]] = field(default_factory=dict)


_lock = threading.Lock()
# by id, for tensors compare element by element
_kept: dict[int, _Kept] = {}


def prepared(density: Tensor, make: Callable[..., _T], *layout: Hashable) -> _T:
    """``make(density, *layout)``, from the last time if it is still there.

    Kept until the density is gone or changes in place, the latest two layouts of each function. Nothing is kept of a
    density that requires a gradient: it is being learned, and another one each time.

    Args:
        density: (C, K, J, I).
        make: a function of a kernel's module. What it returns must not hold on to the density, which would never go.
        layout: all else that the result depends on.
    """
    if density.requires_grad:
        return make(density, *layout)
    with _lock:
        key, version = id(density), density._version
        entry = _kept.get(key)
        if entry is None or entry.density() is not density or entry.version != version:
            entry = _kept[key] = _Kept(weakref.ref(density, lambda _: _kept.pop(key, None)), version)
        made = entry.made.setdefault(make, {})
        if layout not in made:
            while len(made) >= _LAYOUTS:
                del made[next(iter(made))]
            made[layout] = make(density, *layout)
        result: _T = made[layout]
        return result
