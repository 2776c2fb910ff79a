"""How evenly the beam lights the detector: heel effect, inverse square, vignette, and what flat-fielding leaves."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry.view import View
from SphericalRegLib.simulation.system.transfer import frequencies, gaussian

FloatArray = NDArray[np.float64]

# Below this take-off angle a real anode's rough surface still lets some through.
_GRAZING_DEG = 1.0


@dataclass(frozen=True)
class Beam:
    """The unattenuated beam over the detector, and its correction by a flat field.

    - Heel effect: photons arise at a depth below the anode's slanted surface and leave through more of it toward the
      anode than toward the cathode. At an angle φ toward the anode they pass depth / sin(α - φ), attenuated by
      exp(-μ·depth/sin(α - φ)); textbooks (Bushberg and others, The Essential Physics of Medical Imaging) show 15 to
      45 % over large fields, for anode angles α of 7 to 20°.
    - Inverse square and oblique incidence: cos³ of the angle to the central ray.
    - Vignette: what an image intensifier's optics lose toward the edge, up to 25 %, with the square of the radius.
    - A system divides by a flat field, which undoes a part of all that, and is never quite up to date: residues of
      0.3 to 2 %. All figures are from memory, not checked.

    Attributes:
        anode_deg: α.
        anode_depth: μ · depth, the attenuation straight up through the anode; 0.01 to 0.04 gives the textbooks' loss.
        toward_deg: direction of the anode in the image, from the columns' axis toward the rows'.
        vignette: lost at the corner that is farthest from the image's middle, 0 to below 1.
        corrected: exponent of the flat field that is divided out, 0 (raw) to 1 (all of it).
        residue: standard deviation of the stale flat field, relative.
        residue_mm: how far it is correlated.
        seed: of the residue.
    """

    anode_deg: float = 12.0
    anode_depth: float = 0.0
    toward_deg: float = 0.0
    vignette: float = 0.0
    corrected: float = 1.0
    residue: float = 0.0
    residue_mm: float = 40.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not (0 < self.anode_deg < 90 and 0 <= self.anode_depth < float("inf")):
            raise InputError(f"An anode has an angle of 0 to 90° and an attenuation of 0 or more, not {self}.")
        if not (0 <= self.vignette < 1 and 0 <= self.corrected <= 1):
            raise InputError(f"Vignette ({self.vignette}) and correction ({self.corrected}) are fractions, 0 to 1.")
        if not (0 <= self.residue < 0.2 and self.residue_mm > 0):
            raise InputError(
                f"A flat field's residue is 0 to 0.2 of the signal over some mm, not {self.residue}, {self.residue_mm}."
            )


def incident(view: View, settings: Beam) -> FloatArray:
    """(H, W) what a detector without flat field sees with nothing in the beam; 1 at the central ray but for optics."""
    u, v = np.meshgrid(np.arange(view.width), np.arange(view.height))
    pixels = np.stack([u, v, np.ones_like(u)]).reshape(3, -1).astype(np.float64)
    x, y, z = (view.detector_from_pixel().numpy() @ pixels).reshape(3, view.height, view.width)
    light = (z / np.sqrt(x**2 + y**2 + z**2)) ** 3
    direction = math.radians(settings.toward_deg)
    toward_anode = np.arctan2(x * math.cos(direction) + y * math.sin(direction), z)
    alpha = math.radians(settings.anode_deg)
    take_off = np.clip(alpha - toward_anode, math.radians(_GRAZING_DEG), math.pi / 2)
    light *= np.exp(-settings.anode_depth * (1 / np.sin(take_off) - 1 / math.sin(alpha)))
    row, column = view.spacing
    squared = ((u - (view.width - 1) / 2) * column) ** 2 + ((v - (view.height - 1) / 2) * row) ** 2
    return np.asarray(light * (1 - settings.vignette * squared / squared.max()))


def flat_field(light: FloatArray, view: View, settings: Beam) -> FloatArray:
    """(H, W) what the system divides by: part of the incident light, with a smooth error."""
    return light**settings.corrected * np.exp(_residue(view, settings))


def _residue(view: View, settings: Beam) -> FloatArray:
    """(H, W) a smooth random field of that standard deviation."""
    if settings.residue == 0:
        return np.zeros((view.height, view.width))
    shape = (2 * view.height, 2 * view.width)
    white = np.random.default_rng(settings.seed).standard_normal(shape)
    smooth = scipy.fft.rfft2(white) * gaussian(settings.residue_mm / math.sqrt(2))(*frequencies(shape, view.spacing))
    field = scipy.fft.irfft2(smooth, shape)[: view.height, : view.width]
    return np.asarray(settings.residue * (field - field.mean()) / max(float(field.std()), 1e-12))
