"""Blur as a function of spatial frequency: detector MTF, focal spot, veiling glare.

Frequencies are in cycles per mm on the detector, so that a blur does not depend on how many pixels the detector is cut
into.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from SphericalRegLib.errors import InputError

FloatArray = NDArray[np.float64]
Transfer = Callable[[FloatArray, FloatArray], FloatArray]
"""(f_v, f_u) in cycles/mm, broadcastable, to the factor at them; 1 at frequency 0 keeps the total signal."""


def transferred(
    image: FloatArray,
    spacing: tuple[float, float],
    transfer: Transfer,
    pad_mm: float,
    beyond: Literal["nothing", "edge"] = "nothing",
) -> FloatArray:
    """(H, W) an image behind a blur.

    Args:
        image: (H, W).
        spacing: (row, column) mm of pixel centers.
        transfer: the blur.
        pad_mm: how far the blur reaches; the image is continued that far so that it does not wrap around.
        beyond: what lies beyond the image: nothing, or what lies at its edge.
    """
    padded, inside = padded_for(image, spacing, pad_mm, beyond)
    spectrum = scipy.fft.rfft2(padded)
    spectrum *= transfer(*frequencies(padded.shape, spacing))
    return np.asarray(scipy.fft.irfft2(spectrum, padded.shape)[inside])


def frequencies(shape: tuple[int, ...], spacing: tuple[float, float]) -> tuple[FloatArray, FloatArray]:
    """(H, 1) and (1, W // 2 + 1) cycles/mm along rows' and columns' direction, as ``rfft2`` orders them."""
    return scipy.fft.fftfreq(shape[0], spacing[0])[:, None], scipy.fft.rfftfreq(shape[1], spacing[1])[None, :]


def gaussian(sigma_mm: float) -> Transfer:
    """A Gaussian of standard deviation ``sigma_mm``."""
    return lambda fv, fu: np.exp(-2 * (np.pi * sigma_mm) ** 2 * (fv**2 + fu**2))


def lorentzian(half_frequency: float) -> Transfer:
    """A detector's MTF 1/(1 + (f/f½)²), which is ½ at ``half_frequency`` (cycles/mm).

    A Lorentzian is the usual empirical fit for CsI screens; f½ is 1 to 1.6 cycles/mm for indirect flat panels
    (Samei and Flynn, Med. Phys. 30, 2003) and about 1 for image intensifiers; from memory, not checked.

    Raises:
        InputError: unless ``half_frequency`` is above 0.
    """
    if not half_frequency > 0:
        raise InputError(f"An MTF falls to one half at a frequency above 0, not at {half_frequency} cycles/mm.")
    return lambda fv, fu: 1 / (1 + (fv**2 + fu**2) / half_frequency**2)


def focal_spot(size_mm: float, sdd: float, depth: float) -> Transfer:
    """A square, evenly emitting focal spot, as it blurs what lies at ``depth`` mm from it: sinc functions.

    The penumbra on the detector is size · (sdd - depth)/depth wide: ICRU Report 54 and any textbook on radiography.
    Nominal sizes are 0.3 to 1.2 mm, true ones up to half as large again (IEC 60336); from memory, not checked.
    """
    penumbra = size_mm * (sdd - depth) / depth
    return lambda fv, fu: np.sinc(penumbra * fv) * np.sinc(penumbra * fu)


@dataclass(frozen=True)
class Glare:
    """Veiling glare: a share of each pixel's signal is spread far over the detector, exp(-r/range)/r.

    Its transfer function is 1 - share + share/√(1 + (2π range f)²), the Hankel transform of that spread, and the
    low-frequency drop of a measured MTF. Seibert, Nalcioglu and Roeck, Removal of image intensifier veiling glare by
    mathematical deconvolution techniques, Med. Phys. 12 (1985): share 0.1 to 0.2, range 15 to 50 mm for image
    intensifiers; a few percent for flat panels. From memory, not checked.

    Attributes:
        share: of the signal, 0 to below 1.
        range_mm: of the spread's exponential.
    """

    share: float
    range_mm: float = 25.0

    def __post_init__(self) -> None:
        if not (0 <= self.share < 1 and 0 < self.range_mm < float("inf")):
            raise InputError(f"Glare takes a share of 0 to 1 and a range above 0 mm, not {self}.")

    def __call__(self, fv: FloatArray, fu: FloatArray) -> FloatArray:
        spread = 1 / np.sqrt(1 + (2 * np.pi * self.range_mm) ** 2 * (fv**2 + fu**2))
        return 1 - self.share + self.share * spread


def padded_for(
    image: FloatArray, spacing: tuple[float, float], pad_mm: float, beyond: Literal["nothing", "edge"]
) -> tuple[FloatArray, tuple[slice, slice]]:
    """The image with at least ``pad_mm`` around it, of a size that transforms fast, and where it lies in that."""
    widths, inside = [], []
    for count, mm in zip(image.shape, spacing, strict=True):
        pad = max(1, int(np.ceil(pad_mm / mm)))
        total = scipy.fft.next_fast_len(count + 2 * pad, real=True)
        widths.append((pad, total - count - pad))
        inside.append(slice(pad, pad + count))
    mode: Literal["constant", "edge"] = "constant" if beyond == "nothing" else "edge"
    return np.pad(image, widths, mode=mode), (inside[0], inside[1])
