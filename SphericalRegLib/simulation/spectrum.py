"""X-ray tube spectra and mass attenuation coefficients for the simulator."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from SphericalRegLib.errors import InputError

FloatArray = NDArray[np.float64]

BONE_DENSITY = 1.92
"""g/cm³ of cortical bone, ICRU-44."""

# Total attenuation with coherent scattering, from Hubbell and Seltzer, Tables of X-Ray Mass Attenuation Coefficients,
# NIST Standard Reference Database 126 (version 1.4, 2004). None of the materials has an absorption edge in this range.
_ENERGIES = np.array([15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 80.0, 100.0, 150.0])  # keV
_TABLE = {  # cm²/g
    "water": np.array([1.673, 0.8096, 0.3756, 0.2683, 0.2269, 0.2059, 0.1837, 0.1707, 0.1505]),
    "bone": np.array([9.032, 4.001, 1.331, 0.6655, 0.4242, 0.3148, 0.2229, 0.1855, 0.1480]),
    "aluminum": np.array([7.955, 3.441, 1.128, 0.5685, 0.3681, 0.2778, 0.2018, 0.1704, 0.1378]),
    "iron": np.array([57.08, 25.68, 8.176, 3.629, 1.958, 1.205, 0.5952, 0.3717, 0.1964]),
    "copper": np.array([74.05, 33.79, 10.92, 4.862, 2.613, 1.593, 0.7630, 0.4584, 0.2217]),
}
_FILTER_DENSITY = {"aluminum": 2.699, "copper": 8.96}  # g/cm³
MATERIALS = ("water", "bone", "iron")
"""The basis of the line integrals, in the projector's order."""


def mass_attenuation(material: str, energies: ArrayLike) -> FloatArray:
    """Mass attenuation coefficients μ/ρ in cm²/g, interpolated log-log in NIST's table.

    Args:
        material: "water", "bone" (cortical, ICRU-44), "aluminum", "iron" or "copper".
        energies: (...) keV, 15 to 150.

    Raises:
        InputError: for an unknown material or an energy outside the table.
    """
    if material not in _TABLE:
        raise InputError(f"No attenuation table for {material!r}: there are {', '.join(_TABLE)}.")
    e = np.asarray(energies, dtype=np.float64)
    if not np.all((e >= _ENERGIES[0]) & (e <= _ENERGIES[-1])):
        raise InputError(f"Photon energies must lie between 15 and 150 keV, not {e.min()} to {e.max()}.")
    return np.exp(np.interp(np.log(e), np.log(_ENERGIES), np.log(_TABLE[material])))


@dataclass(frozen=True)
class Spectrum:
    """Photons that an X-ray tube sends out, by energy.

    Attributes:
        energies: (E,) keV.
        photons: (E,) share of photons at each energy; sums to 1.
    """

    energies: FloatArray
    photons: FloatArray

    def attenuation(self) -> FloatArray:
        """(E, 3) μ/ρ in cm²/g of the :data:`MATERIALS`."""
        return np.stack([mass_attenuation(m, self.energies) for m in MATERIALS], axis=1)

    def signal(self) -> FloatArray:
        """(E,) share of an energy-integrating detector's unattenuated signal; sums to 1."""
        weighted = self.photons * self.energies
        return weighted / weighted.sum()


def tube_spectrum(kvp: float, aluminum_mm: float = 3.0, copper_mm: float = 0.1, bins: int = 24) -> Spectrum:
    """Filtered bremsstrahlung: photons per keV ∝ (kVp - E)/E (Kramers, Phil. Mag. 46, 1923), then Beer-Lambert.

    Characteristic lines and the anode's own absorption are left out: they shift the mean energy by 1 to 2 keV,
    which is less than one tube differs from the next.

    Args:
        kvp: tube voltage, 40 to 150 kV.
        aluminum_mm, copper_mm: filtration; the defaults are usual for a C-arm.
        bins: energies from 15 keV to ``kvp``, at the middles of equal intervals.

    Raises:
        InputError: for a voltage, filter or number of bins outside these ranges.
    """
    if not 40 <= kvp <= 150:
        raise InputError(f"The tube voltage is {kvp} kV: give 40 to 150 kV.")
    if not (aluminum_mm >= 0 and copper_mm >= 0 and bins >= 1):
        raise InputError(f"Filters of {aluminum_mm} mm Al and {copper_mm} mm Cu and {bins} energy bins are impossible.")
    edges = np.linspace(_ENERGIES[0], kvp, bins + 1)
    energies = (edges[1:] + edges[:-1]) / 2
    filtration = sum(
        mass_attenuation(name, energies) * _FILTER_DENSITY[name] * mm / 10
        for name, mm in (("aluminum", aluminum_mm), ("copper", copper_mm))
    )
    photons = (kvp - energies) / energies * np.exp(-filtration)
    return Spectrum(energies, photons / photons.sum())


def monochromatic(energy: float) -> Spectrum:
    """A beam of one energy in keV: no beam hardening, so that Beer-Lambert holds exactly."""
    return Spectrum(np.array([energy], dtype=np.float64), np.ones(1))
