"""Scattered X-rays as kernels whose amplitude and width follow the patient's local thickness."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from SphericalRegLib.errors import InputError
from SphericalRegLib.simulation.system.transfer import FloatArray, frequencies, gaussian, padded_for

SHADOW_ATTENUATION = 0.5
"""Attenuation above which a pixel counts as behind the patient: about 2 cm of water."""

# ln(1/P) at which the kernels are those of a thin, a middling and a thick body: about 5, 15 and 30 cm of water.
_THICKNESSES = np.array([1.0, 3.0, 6.0])


@dataclass(frozen=True)
class Scatter:
    """A scatter kernel for each thickness, superposed.

    A pixel behind which the primary signal is P scatters P · ln(1/P)^exponent: nothing in air, and nothing that an
    opaque body would let out (Ohnesorge, Flohr and Klingenbeck-Regn, Eur. Radiol. 9, 1999). Around it the scatter falls
    as a narrow and a wide Gaussian, both wider behind a thick body than behind a thin one, as in the adaptive kernel
    superposition of Sun and Star-Lack, Phys. Med. Biol. 55 (2010). All is scaled to a scatter-to-primary ratio.

    Ratios without grid are near 1 behind a limb and 3 to 6 behind a trunk; grids of 8:1 to 15:1 leave 0.15 to 0.3
    behind limb or chest and 0.3 to 1.2 behind abdomen and pelvis (Chan and Doi, Med. Phys. 12, 1985; Boone, Seibert and
    others on C-arms). All of these are from memory, not checked.

    Attributes:
        ratio: scatter over primary signal behind the patient, the median there.
        thin_mm, thick_mm: standard deviation of the narrow Gaussian behind 5 cm and behind 30 cm of water.
        tail: share of the wide Gaussian.
        tail_factor: how much wider it is.
        exponent: of the thickness.
    """

    ratio: float
    thin_mm: float = 18.0
    thick_mm: float = 40.0
    tail: float = 0.3
    tail_factor: float = 2.5
    exponent: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.ratio < float("inf"):
            raise InputError(f"The scatter-to-primary ratio is {self.ratio}: give 0 or more.")
        if not 0 < self.thin_mm <= self.thick_mm < float("inf"):
            raise InputError(
                f"Scatter spreads by {self.thin_mm} mm behind a thin and {self.thick_mm} mm behind a thick body: give "
                "values above 0 that do not fall."
            )
        if not (0 <= self.tail <= 1 and self.tail_factor >= 1 and self.exponent > 0):
            raise InputError(f"The scatter's tail must be a share of 0 to 1, wider than its core: {self}.")


def scattered(primary: FloatArray, opened: FloatArray, spacing: tuple[float, float], settings: Scatter) -> FloatArray:
    """(H, W) scattered signal, as a fraction of the unattenuated beam, to be added before the logarithm.

    Args:
        primary: (H, W) transmitted fraction behind the patient, before the collimator hides some of it.
        opened: (H, W) open fraction of the collimator, which is between tube and patient and so limits scatter.
        spacing: (row, column) mm of pixel centers.
        settings: the kernels.
    """
    shadow = shadowed(primary, opened)
    if settings.ratio == 0 or not shadow.any():
        return np.zeros_like(primary)
    spread = superposed(primary, opened, spacing, settings)
    return np.asarray(settings.ratio * spread / np.median(spread[shadow] / primary[shadow]))


def superposed(primary: FloatArray, opened: FloatArray, spacing: tuple[float, float], settings: Scatter) -> FloatArray:
    """(H, W) scatter up to its scale: each kernel has the sum 1, so the total is that of P · ln(1/P)^exponent."""
    # air transmits 1 but for rounding, and no body transmits more
    thickness = np.maximum(-np.log(np.maximum(primary, 1e-30)), 0)
    source = opened * primary * thickness**settings.exponent
    reach = 3 * settings.thick_mm * settings.tail_factor
    total: NDArray[np.complex128] | None = None
    for weight, sigma in zip(_weights(thickness), _widths(settings), strict=True):
        padded, inside = padded_for(source * weight, spacing, min(reach, 300.0), "nothing")
        f = frequencies(padded.shape, spacing)
        kernel = (1 - settings.tail) * gaussian(sigma)(*f) + settings.tail * gaussian(settings.tail_factor * sigma)(*f)
        part = scipy.fft.rfft2(padded) * kernel
        total = part if total is None else total + part
    # rounding of the transform may leave a negative zero
    return np.maximum(scipy.fft.irfft2(total, padded.shape)[inside], 0)


def shadowed(primary: FloatArray, opened: FloatArray) -> NDArray[np.bool_]:
    """(H, W) whether a pixel lies behind the patient and within the collimated field."""
    return (primary < np.exp(-SHADOW_ATTENUATION)) & (opened > 0.5)


def _weights(thickness: FloatArray) -> list[FloatArray]:
    """Of the kernels at each pixel: linear between their thicknesses, with the sum 1."""
    return [np.interp(thickness, _THICKNESSES, row) for row in np.eye(len(_THICKNESSES))]


def _widths(settings: Scatter) -> FloatArray:
    """(3,) mm of the narrow Gaussians, linear in thickness."""
    return np.interp(_THICKNESSES, _THICKNESSES[[0, -1]], [settings.thin_mm, settings.thick_mm])
