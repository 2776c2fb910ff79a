"""The functions of a ray as CUDA device functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from SphericalRegLib.rendering.cuda.toolchain import cuda
from SphericalRegLib.rendering.ray.target import Target


def _exact(function: Callable[..., Any]) -> Any:
    return cuda.jit(device=True)(function)


def _fast(function: Callable[..., Any]) -> Any:
    return cuda.jit(device=True, fastmath=True)(function)


@cuda.jit(device=True)
def _truncate(x):  # type: ignore[no-untyped-def]
    return np.int32(x)


@cuda.jit(device=True)
def _multiply_add(a, b, c):  # type: ignore[no-untyped-def]
    # numba multiplies in 64 bits, of which the compiler leaves the lower half
    return np.int32(a * b + c)


@cuda.jit(device=True)
def _load_edge(flat, index):  # type: ignore[no-untyped-def]
    # an unsigned index is not counted from the end when negative, which would take a comparison each
    first = np.uint32(index)
    return flat[first], flat[first + np.uint32(1)]


CUDA = Target(_exact, _fast, _truncate, _multiply_add, _load_edge)
