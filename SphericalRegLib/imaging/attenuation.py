"""Hounsfield units to linear attenuation: the two-segment model, air to water and water to bone.

A CT shows attenuation relative to water at its own effective energy; an X-ray is taken at another one, where bone
stands out more or less. So a voxel is taken as a mixture: of air and water below 0 HU, of water and cortical bone
above. This is the bilinear scaling of PET/CT (Burger et al., Eur J Nucl Med Mol Imaging 29, 922, 2002), with the
coefficients of Hubbell and Seltzer, NIST Standard Reference Database 126 (1996), for liquid water and cortical bone
(ICRU-44).
"""

from __future__ import annotations

import numpy as np

from SphericalRegLib.errors import InputError

# Photon energy in keV; mass attenuation µ/ρ in cm²/g. NIST SRD 126, table 4.
_ENERGIES = np.array(
    [20, 30, 40, 50, 60, 80, 100, 150, 200, 300, 400, 500, 600, 800, 1000, 1250, 1500, 2000, 3000], float
)
_WATER = np.array(
    [0.8096, 0.3756, 0.2683, 0.2269, 0.2059, 0.1837, 0.1707, 0.1505, 0.1370, 0.1186]
    + [0.1061, 0.09687, 0.08956, 0.07865, 0.07072, 0.06323, 0.05754, 0.04942, 0.03969]
)
_BONE = np.array(
    [4.001, 1.331, 0.6655, 0.4242, 0.3148, 0.2229, 0.1855, 0.1480, 0.1309, 0.1113]
    + [0.09908, 0.09022, 0.08332, 0.07308, 0.06566, 0.05871, 0.05346, 0.04607, 0.03745]
)
_BONE_DENSITY = 1.92  # g/cm³
_CM_IN_MM = 10.0

# The effective energy of a CT at 120 kVp, where its Hounsfield units are defined.
CT_ENERGY_KEV = 70.0


def water_attenuation(energy_kev: float) -> float:
    """Linear attenuation of liquid water in 1/mm at a photon energy in keV (20 to 3000)."""
    return _interpolated(energy_kev, _WATER) / _CM_IN_MM


def bone_attenuation(energy_kev: float) -> float:
    """Linear attenuation of cortical bone (ICRU-44, 1.92 g/cm³) in 1/mm at a photon energy in keV (20 to 3000)."""
    return _interpolated(energy_kev, _BONE) * _BONE_DENSITY / _CM_IN_MM


def linear_attenuation(hu: np.ndarray, energy_kev: float = 70.0) -> np.ndarray:
    """Linear attenuation (float32, 1/mm, never negative) of Hounsfield units, at an X-ray's effective energy.

    Below 0 HU: ``µw (1 + h/1000)``. Above: ``µw + h/h_bone (µ_bone - µw)``, where ``h_bone`` is what a CT shows for
    cortical bone; denser things (metal) go on along the same line. At the CT's own energy both are the definition of
    HU.

    Args:
        hu: any shape.
        energy_kev: 20 to 3000; 60 to 70 is usual for a C-arm at 80 to 120 kVp.

    Raises:
        InputError: for an energy outside the table.
    """
    water, bone = water_attenuation(energy_kev), bone_attenuation(energy_kev)
    bone_hu = 1000 * (bone_attenuation(CT_ENERGY_KEV) / water_attenuation(CT_ENERGY_KEV) - 1)
    hu = np.asarray(hu, dtype=np.float32)
    below = np.clip(hu, -1000, 0)
    below += 1000  # before it is scaled, so that air is exactly 0
    below *= np.float32(water / 1000)
    above = np.maximum(hu, 0)
    above *= np.float32((bone - water) / bone_hu)
    return below + above


def _interpolated(energy_kev: float, table: np.ndarray) -> float:
    if not _ENERGIES[0] <= energy_kev <= _ENERGIES[-1]:
        raise InputError(
            f"energy_kev={energy_kev} is outside {_ENERGIES[0]:g} to {_ENERGIES[-1]:g} keV: give the X-ray's effective "
            "energy, about half its tube voltage (60 to 70 keV for 120 kVp)."
        )
    return float(np.exp(np.interp(np.log(energy_kev), np.log(_ENERGIES), np.log(table))))
