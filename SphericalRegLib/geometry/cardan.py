"""Rotations as three angles about three different axes in turn: Cardan (Tait-Bryan) sequences."""

from __future__ import annotations

from itertools import permutations

import roma
import torch
from torch import Tensor

from SphericalRegLib.errors import GeometryError

#: All six orders of three different axes.
ORDERS: tuple[str, ...] = tuple("".join(order) for order in permutations("xyz"))


def cardan_angles(rotations: Tensor, order: str = "xyz") -> Tensor:
    """(..., 3) radians of rotations (..., 3, 3), in the order of the axes' names.

    ``R = R_a(α) R_b(β) R_c(γ)`` for the order "abc": each turn is about an axis that the turns before have moved. The
    middle angle lies within ±90°, where the outer two are of one axis and cannot be told apart.

    Raises:
        GeometryError: for an order that is none.
    """
    angles = roma.rotmat_to_euler(_checked(order), rotations, as_tuple=True)
    return torch.stack(angles, dim=-1)


def cardan_rotation(angles: Tensor, order: str = "xyz") -> Tensor:
    """Rotations (..., 3, 3) of angles (..., 3) in radians: the inverse of :func:`cardan_angles`.

    Raises:
        GeometryError: for an order that is none.
    """
    rotation: Tensor = roma.euler_to_rotmat(_checked(order), list(angles.unbind(-1)))
    return rotation


def cardan_axes(angles: Tensor, order: str = "xyz") -> Tensor:
    """(..., 3, 3) unit vectors about which the three turns go, as rows, in the frame that the rotation maps to.

    The first is fixed in that frame, the last in the one that is turned, and the middle one, normal to both, floats
    (Grood and Suntay, J Biomech Eng 105, 136, 1983).
    """
    first, second, _ = angles.unbind(-1)
    zero = torch.zeros_like(first)
    unit = torch.eye(3, dtype=angles.dtype)
    a, b, c = ("xyz".index(letter) for letter in _checked(order).lower())
    one = cardan_rotation(torch.stack([first, zero, zero], -1), order)
    two = cardan_rotation(torch.stack([first, second, zero], -1), order)
    return torch.stack([unit[a].expand(one.shape[:-1]), one @ unit[b], two @ unit[c]], dim=-2)


def _checked(order: str) -> str:
    """As roma writes turns about axes that move along."""
    if order not in ORDERS:
        raise GeometryError(f"The order of axes {order!r} is none of {', '.join(ORDERS)}.")
    return order.upper()
