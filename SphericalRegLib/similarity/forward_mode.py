"""Derivatives of a function along several directions at once, by torch's forward mode."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def linearized(function: Callable[[Tensor], Tensor], at: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
    """A function's values (B, ...) at (B, ...) and its derivatives (B, P, ...) along directions (B, P, ...)."""

    def along(direction: Tensor) -> tuple[Tensor, ...]:
        return tuple(torch.func.jvp(function, (at,), (direction,)))

    # the values depend on no direction, so that vmap computes them once
    values, columns = torch.func.vmap(along, in_dims=1)(directions)
    return values[0], columns.movedim(0, 1)
