"""Angles about three axes in turn."""

import pytest
import torch

from SphericalRegLib.errors import GeometryError
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.cardan import ORDERS, cardan_angles, cardan_axes, cardan_rotation


def turned(axis: str, angle: float) -> torch.Tensor:
    return se3.so3_exp(angle * torch.eye(3).double()["xyz".index(axis)])


@pytest.mark.parametrize("order", ORDERS)
def test_each_turn_is_about_an_axis_that_the_ones_before_have_moved(order):
    angles = torch.tensor([[0.7, -0.4, 1.1], [-2.0, 0.9, -0.3]]).double()
    for one in angles:
        rotation = turned(order[0], one[0]) @ turned(order[1], one[1]) @ turned(order[2], one[2])
        torch.testing.assert_close(cardan_rotation(one, order), rotation)
        torch.testing.assert_close(cardan_angles(rotation, order), one)
    torch.testing.assert_close(cardan_angles(cardan_rotation(angles, order), order), angles)


@pytest.mark.parametrize("order", ORDERS)
def test_the_axes_are_those_about_which_a_small_turn_changes_one_angle(order):
    angles = torch.tensor([0.5, -0.6, 0.8]).double()
    axes, before = cardan_axes(angles, order), cardan_rotation(angles, order)
    h = 1e-6
    for n in range(3):
        ahead, behind = (cardan_angles(se3.so3_exp(sign * h * axes[n]) @ before, order) for sign in (1, -1))
        expected = torch.eye(3).double()[n]
        torch.testing.assert_close((ahead - behind) / (2 * h), expected, atol=1e-8, rtol=0)


def test_another_order_is_refused():
    with pytest.raises(GeometryError, match="'xyx' is none of xyz"):
        cardan_angles(torch.eye(3), "xyx")
