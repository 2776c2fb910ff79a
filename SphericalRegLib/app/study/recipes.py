"""How each row's networks are trained: plans of the one training, under one budget of pixels and pairs.

Rows that differ in how they align share a recipe, and so a trained model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from SphericalRegLib.errors import InputError
from SphericalRegLib.initialization import SearchRange
from SphericalRegLib.networks.dense import COORDINATES, HEATMAPS
from SphericalRegLib.training.encoders import EncoderSettings
from SphericalRegLib.training.plan import Plan
from SphericalRegLib.training.trainer import Schedule


@dataclass(frozen=True)
class Budget:
    """What every training gets. Equal time is the fair one; equal steps are the same on every machine.

    Attributes:
        minutes: processor minutes of each training, all its phases together; 0: by steps.
        steps: of each phase, where minutes are 0.
        pixels: along each side of the images of regressors.
        network_pixels: and of similarities.
        batch: X-rays a step, of regressors.
        pairs: a step, of our encoders.
        network_pairs: a step, of networks of two images: 2 as published.

    Raises:
        InputError: for numbers that are none.
    """

    minutes: float = 0.0
    steps: int = 2
    pixels: int = 64
    network_pixels: int = 32
    batch: int = 16
    pairs: int = 32
    network_pairs: int = 2

    def __post_init__(self) -> None:
        if self.minutes < 0 or (self.minutes == 0 and self.steps < 1):
            raise InputError(f"The budget is {self.minutes} minutes and {self.steps} steps: give one of them, above 0.")

    @property
    def words(self) -> str:
        """In words."""
        return f"{self.minutes:g} processor minutes" if self.minutes else f"{self.steps} steps a phase"


def _regressor(backbone: str) -> Callable[[Budget], Plan]:
    return lambda budget: Plan(
        pixels=budget.pixels,
        backbone=backbone,
        regressor=Schedule(budget.steps, budget.batch, 1e-3, 1e-2),
        encoders=None,
    )


def _encoders(regressor: bool = False, **settings: Any) -> Callable[[Budget], Plan]:
    def plan(budget: Budget) -> Plan:
        return Plan(
            pixels=budget.pixels,
            encoder_pixels=budget.network_pixels,
            reach=SearchRange(20, 40, 80),
            encoder=EncoderSettings(**settings),
            regressor=Schedule(budget.steps, budget.batch, 1e-3, 1e-2) if regressor else None,
            encoders=Schedule(budget.steps, budget.pairs, 1e-3),
        )

    return plan


def _dense(kind: str) -> Callable[[Budget], Plan]:
    return lambda budget: Plan(
        pixels=budget.pixels,
        regressor=None,
        encoders=None,
        dense=Schedule(budget.steps, max(2, budget.batch // 2), 1e-3, 1e-4),
        dense_kind=kind,
    )


def _pair(network: str, loss: str) -> Callable[[Budget], Plan]:
    def plan(budget: Budget) -> Plan:
        return Plan(
            encoder_pixels=budget.network_pixels,
            reach=SearchRange(20, 40, 80),
            encoder=EncoderSettings(network=network, loss=loss),
            regressor=None,
            encoders=Schedule(budget.steps, budget.network_pairs, 5e-4),
        )

    return plan


_PUBLISHED: dict[str, Any] = {"shared": False, "volume_network": "equivariant"}

#: {recipe: the plan under a budget}.
RECIPES: dict[str, Callable[[Budget], Plan]] = {
    "regressor-posenet": _regressor("posenet"),
    "regressor-resnet18": _regressor("resnet18"),
    "regressor-convnext": _regressor("convnext"),
    "regressor-swin": _regressor("swin"),
    "heatmaps": _dense(HEATMAPS),
    "coordinates": _dense(COORDINATES),
    "specific-se3": _encoders(True, loss="gradient se3", **_PUBLISHED),
    "specific-so4": _encoders(True, loss="gradient so4", **_PUBLISHED),
    "own": _encoders(loss="gradient directions"),
    "se3": _encoders(loss="gradient se3", **_PUBLISHED),
    "so4": _encoders(loss="gradient so4", **_PUBLISHED),
    "hyperbolic": _encoders(loss="gradient so4", manifold="hyperbolic", **_PUBLISHED),
    "euclidean": _encoders(loss="gradient so4", manifold="euclidean", **_PUBLISHED),
    "without-psi": _encoders(loss="gradient so4", shared=False),
    "plain-psi": _encoders(loss="gradient so4", shared=False, volume_network="plain"),
    "prost-m": _pair("prost-m", "gradient directions"),
    "prost-t": _pair("prost-t", "gradient directions"),
    "sopi": _pair("sopi", "gradient directions"),
    "cdreg": _pair("cdreg", "gradient directions"),
}


def plan_of(recipe: str, budget: Budget, seed: int) -> Plan:
    """The plan of a recipe, with a seed of weights and images.

    Raises:
        InputError: for a recipe that there is not, or a budget that no plan can have.
    """
    if recipe not in RECIPES:
        raise InputError(f"There is no recipe {recipe!r}: choose from {', '.join(RECIPES)}.")
    plan = RECIPES[recipe](budget)
    return replace(
        plan,
        regressor=None if plan.regressor is None else replace(plan.regressor, seed=seed),
        encoders=None if plan.encoders is None else replace(plan.encoders, seed=seed),
        dense=None if plan.dense is None else replace(plan.dense, seed=seed),
    )
