"""From detector signal to stored values as a workstation makes them: logarithm, window, tone curve, polarity, bits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from SphericalRegLib.errors import InputError
from SphericalRegLib.simulation.system.transfer import gaussian, transferred

FloatArray = NDArray[np.float64]

# Half a step of the finest detector: what no photon reached has no logarithm.
_DARKEST = 0.5 / (2**16 - 1)


@dataclass(frozen=True)
class Gamma:
    """x to the power ``exponent``."""

    exponent: float

    def __post_init__(self) -> None:
        if not 0 < self.exponent < float("inf"):
            raise InputError(f"A gamma curve's exponent is {self.exponent}: give a value above 0.")

    def __call__(self, x: FloatArray) -> FloatArray:
        return np.asarray(x**self.exponent)


@dataclass(frozen=True)
class Sigmoid:
    """An S curve, as a film's characteristic curve or DICOM's SIGMOID VOI function (PS3.3 C.11.2.1.3.1): steepest at
    ``center``, scaled so that 0 stays 0 and 1 stays 1.

    Attributes:
        slope: of the logistic function, 2 (nearly straight) to 10.
        center: 0 to 1.
    """

    slope: float
    center: float = 0.5

    def __post_init__(self) -> None:
        if not (0 < self.slope < 50 and 0 <= self.center <= 1):
            raise InputError(f"An S curve has a slope of 0 to 50 and its center within 0 to 1, not {self}.")

    def __call__(self, x: FloatArray) -> FloatArray:
        low, high, y = (1 / (1 + np.exp(-self.slope * (t - self.center))) for t in (0.0, 1.0, x))
        return np.asarray((y - low) / (high - low))


@dataclass(frozen=True)
class Piecewise:
    """Straight lines through (x, y) knots from (0, 0) to (1, 1), as look-up tables that compress shadows or highlights.

    Attributes:
        knots: the ones between, rising in x and in y.
    """

    knots: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        steps = np.diff(np.array([(0.0, 0.0), *self.knots, (1.0, 1.0)]), axis=0)
        if not (steps > 0).all():
            raise InputError(f"A tone curve's knots must rise within 0 to 1: {self.knots}.")

    def __call__(self, x: FloatArray) -> FloatArray:
        points = np.array([(0.0, 0.0), *self.knots, (1.0, 1.0)])
        return np.interp(x, points[:, 0], points[:, 1])


Curve: TypeAlias = Gamma | Sigmoid | Piecewise


@dataclass(frozen=True)
class Display:
    """What a workstation makes of a detector's signal.

    Attributes:
        curve: from window to output, on bright = air.
        clip_air, clip_dense: fractions that the window burns out at either end.
        of_patient: whether these are fractions of what lies behind the patient, as histogram analysis finds it, instead
            of the whole field: then air is burnt out, and the skin often with it.
        bone_bright: whether stored values rise with attenuation.
        sharpening: how much of the detail finer than ``sharpening_mm`` is added (unsharp masking); workstations use
            0.2 to 1.
        sharpening_mm: standard deviation of the mask, mm on the detector.
        shutter: what the system fills in beyond the collimator: the darkest or brightest value shown, or None.
    """

    curve: Curve = Gamma(1.0)
    clip_air: float = 0.0
    clip_dense: float = 0.0
    of_patient: bool = False
    bone_bright: bool = False
    sharpening: float = 0.0
    sharpening_mm: float = 5.0
    shutter: Literal["black", "white"] | None = None

    def __post_init__(self) -> None:
        if not (0 <= self.clip_air < 0.5 and 0 <= self.clip_dense < 0.5):
            raise InputError(f"A window clips 0 to half of the field, not {self.clip_air} and {self.clip_dense}.")
        if not (self.sharpening >= 0 and self.sharpening_mm > 0):
            raise InputError(f"Sharpening is 0 or more by a mask above 0 mm, not {self}.")


def displayed(
    signal: FloatArray,
    regions: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    spacing: tuple[float, float],
    log_output: bool,
    bits: int,
    settings: Display,
) -> NDArray[np.uint16]:
    """(H, W) stored values of a detector signal.

    Args:
        signal: (H, W), 1 = the detector's full scale, where it saturates.
        regions: (H, W) each, the collimated field, and what of it lies behind the patient.
        spacing: (row, column) mm of pixel centers.
        log_output: whether the window is laid on the logarithm of the signal.
        bits: stored.
        settings: the workstation.
    """
    valid, shadow = regions
    shown = np.clip(signal, _DARKEST, 1)
    if log_output:
        shown = np.log(shown)
    if settings.sharpening > 0:
        smooth = transferred(shown, spacing, gaussian(settings.sharpening_mm), 4 * settings.sharpening_mm, "edge")
        shown = shown + settings.sharpening * (shown - smooth)
    judged = shown[shadow if settings.of_patient else valid]
    dense, air = np.percentile(judged, [100 * settings.clip_dense, 100 * (1 - settings.clip_air)])
    window = np.clip((shown - dense) / max(air - dense, 1e-12), 0, 1)
    output = settings.curve(window)
    if settings.bone_bright:
        output = 1 - output
    if settings.shutter is not None:
        output = np.where(valid, output, 0.0 if settings.shutter == "black" else 1.0)
    return np.round(output * (2**bits - 1)).astype(np.uint16)
