"""What implants are made of: linear attenuation of alloys, polyethylene and bone cement by their composition.

Mass attenuation of a mixture is the mean of its elements' by weight. Elements: Elam, Ravel and Sieber, Radiat. Phys.
Chem. 63, 121 (2002), total with coherent scattering; compositions: ISO 5832 (parts 1, 3 and 4) and 5834 for the alloys
and polyethylene, PMMA with a tenth of barium sulfate for cement.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from SphericalRegLib.errors import InputError

# keV, and cm²/g of each element there; none of them has an edge above 40 keV.
_ENERGIES = np.array([40, 50, 60, 80, 100, 150], float)
_ELEMENTS = {
    "H": (0.3458, 0.3355, 0.3260, 0.3091, 0.2944, 0.2651),
    "C": (0.2076, 0.1871, 0.1753, 0.1610, 0.1514, 0.1347),
    "O": (0.2585, 0.2133, 0.1907, 0.1679, 0.1551, 0.1361),
    "Al": (0.5684, 0.3682, 0.2778, 0.2018, 0.1704, 0.1378),
    "S": (0.9873, 0.5850, 0.4053, 0.2586, 0.2020, 0.1506),
    "Ti": (2.213, 1.213, 0.7660, 0.4053, 0.2721, 0.1649),
    "V": (2.472, 1.348, 0.8438, 0.4371, 0.2877, 0.1682),
    "Cr": (2.855, 1.551, 0.9640, 0.4905, 0.3166, 0.1788),
    "Fe": (3.629, 1.957, 1.205, 0.5952, 0.3717, 0.1964),
    "Co": (3.980, 2.144, 1.314, 0.6414, 0.3949, 0.2023),
    "Ni": (4.600, 2.475, 1.511, 0.7306, 0.4439, 0.2208),
    "Mo": (12.94, 7.040, 4.274, 1.962, 1.096, 0.4208),
    "Ba": (24.57, 13.79, 8.511, 3.963, 2.195, 0.7827),
}


@dataclass(frozen=True)
class Material:
    """A mixture.

    Attributes:
        title: in words.
        density: g/cm³.
        composition: {element: share by weight}, which sum to 1.
    """

    title: str
    density: float
    composition: Mapping[str, float]


#: By name.
MATERIALS: dict[str, Material] = {
    "cocr": Material("cobalt-chromium-molybdenum alloy", 8.3, {"Co": 0.66, "Cr": 0.28, "Mo": 0.06}),
    "ti": Material("titanium alloy Ti-6Al-4V", 4.43, {"Ti": 0.90, "Al": 0.06, "V": 0.04}),
    "steel": Material("stainless steel 316L", 7.95, {"Fe": 0.67, "Cr": 0.18, "Ni": 0.125, "Mo": 0.025}),
    "pe": Material("ultra-high molecular weight polyethylene", 0.94, {"C": 0.856, "H": 0.144}),
    "cement": Material(
        "PMMA with 10 % barium sulfate",
        1.25,
        {"C": 0.540, "H": 0.072, "O": 0.315, "Ba": 0.059, "S": 0.014},
    ),
}


def material_attenuation(material: str, energy_kev: float = 70.0) -> float:
    """Linear attenuation in 1/mm.

    Args:
        material: a name of :data:`MATERIALS`, or a number in 1/mm as text.
        energy_kev: the X-ray's effective energy, 40 to 150.

    Raises:
        InputError: for another material, a number that is not above 0, or an energy outside the table.
    """
    known = MATERIALS.get(material.strip().lower())
    if known is None:
        try:
            value = float(material)
        except ValueError:
            value = np.nan
        if not 0 < value < np.inf:
            raise InputError(
                f"There is no material {material!r}: choose from {', '.join(MATERIALS)}, or give its linear "
                "attenuation in 1/mm."
            )
        return value
    if not _ENERGIES[0] <= energy_kev <= _ENERGIES[-1]:
        raise InputError(f"energy_kev={energy_kev} is outside {_ENERGIES[0]:g} to {_ENERGIES[-1]:g} keV.")
    per_gram = sum(
        share * np.exp(np.interp(np.log(energy_kev), np.log(_ENERGIES), np.log(_ELEMENTS[element])))
        for element, share in known.composition.items()
    )
    # 1/cm to 1/mm
    return float(per_gram) * known.density / 10
