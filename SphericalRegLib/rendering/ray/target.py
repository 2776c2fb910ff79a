"""What differs between the processors that the functions of a ray are compiled for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

#: Makes a function that kernels call of a plain Python one.
Decorator = Callable[[Callable[..., Any]], Any]


@dataclass(frozen=True)
class Target:
    """A compiler, and the three operations that each processor does in a way of its own.

    Attributes:
        exact: compiles what belongs to a ray: as it is written.
        fast: compiles what belongs to a sample: sums may be taken in another order, and NaN has no meaning.
        truncate: (x) -> int32 towards zero; the caller guarantees that it fits.
        multiply_add: (a, b, c) -> a * b + c in int32; the caller guarantees that it fits.
        load_edge: (flat, index) -> (flat[index], flat[index + 1]), unchecked.
    """

    exact: Decorator
    fast: Decorator
    truncate: Any
    multiply_add: Any
    load_edge: Any
