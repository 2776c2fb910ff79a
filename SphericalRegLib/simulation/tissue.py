"""What a Hounsfield unit is made of: water, cortical bone or metal, for the X-ray simulator."""

from __future__ import annotations

from dataclasses import dataclass

from SphericalRegLib.errors import InputError
from SphericalRegLib.simulation.spectrum import BONE_DENSITY, mass_attenuation


@dataclass(frozen=True)
class TissueModel:
    """A CT number as a mixture of water, ICRU-44 cortical bone and steel.

    - below ``soft_hu``: water of density 1 + HU/1000 g/cm³, never negative;
    - from there to the CT number of cortical bone: the volume mixture of the two whose attenuation at the CT's
      effective energy is what the CT measured, μ_water (1 + HU/1000);
    - above: cortical bone, as dense as that attenuation asks for;
    - from ``metal_hu`` on: steel of ``metal_density``. CT scanners clip near 3071 HU, so the number says no more than
      that there is metal; a nail then looks as opaque as it does in a real X-ray.

    Attributes:
        soft_hu: HU up to which tissue is taken for water.
        metal_hu: HU from which a voxel is metal.
        metal_density: g/cm³ of iron in such a voxel.
        ct_energy: effective energy of the CT's beam, keV; about 70 for 120 kVp.
    """

    soft_hu: float = 100.0
    metal_hu: float = 2500.0
    metal_density: float = 7.87
    ct_energy: float = 70.0

    def __post_init__(self) -> None:
        if not -1000 < self.soft_hu < self.bone_hu < self.metal_hu:
            raise InputError(
                f"Tissue thresholds must rise from -1000 HU: soft {self.soft_hu}, cortical bone {self.bone_hu:.0f} "
                f"(at {self.ct_energy} keV), metal {self.metal_hu} HU."
            )
        if not self.metal_density >= 0:
            raise InputError(f"The metal's density is {self.metal_density} g/cm³: give 0 or more.")

    @property
    def bone_hu(self) -> float:
        """CT number of solid cortical bone at the CT's effective energy."""
        water, bone = (float(mass_attenuation(name, self.ct_energy)) for name in ("water", "bone"))
        return 1000 * (bone * BONE_DENSITY / water - 1)

    def coefficients(self) -> tuple[float, float, float, float, float, float]:
        """Thresholds (HU) of soft tissue, bone and metal, and densities (g/cm³) at them: what the projector takes."""
        return self.soft_hu, self.bone_hu, self.metal_hu, 1 + self.soft_hu / 1000, BONE_DENSITY, self.metal_density
