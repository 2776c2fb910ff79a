"""What comes between a perfect projection and the image that a detector delivers."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry.view import View
from SphericalRegLib.simulation.anatomy.soft_tissue import SoftTissue
from SphericalRegLib.simulation.anatomy.table import Slab
from SphericalRegLib.simulation.instruments import Circle, Collimator, Instrument, Margins, Rectangle, Wire
from SphericalRegLib.simulation.system.beam import Beam
from SphericalRegLib.simulation.system.display import Display
from SphericalRegLib.simulation.system.exposure import Exposure
from SphericalRegLib.simulation.system.scatter import Scatter
from SphericalRegLib.simulation.system.transfer import Glare


@dataclass(frozen=True)
class Degradations:
    """Settings of the simulated X-ray system; the defaults are a good, clean one.

    Attributes:
        kvp: tube voltage, kV.
        photons: quanta that reach a pixel with nothing in the beam. A C-arm's 1.4 mm pixel behind a pelvis (1 %
            transmission) sees thousands in an exposure, and hundreds to a thousand in a fluoroscopy frame.
        electronic_noise: standard deviation, in quanta per pixel.
        focal_spot_sigma_px: blur by the focal spot, pixels (standard deviation), before the quantum noise.
        blur_sigma_px: blur in the detector, pixels (standard deviation), after the quantum noise.
        scatter_fraction: scatter-to-primary ratio behind the patient (its median there), with one width of spread.
        scatter_sigma_mm: how far that spreads on the detector, mm (standard deviation).
        gain: signal with nothing in the beam, as a fraction of the detector's full scale; above 1 air saturates.
        gamma: exponent of the tone curve on the normalized output (bright = air).
        log_output: whether the detector delivers log intensity, windowed to the image, instead of intensity.
        bits: stored bits, 8 to 16.
        collimation: what limits the beam, in fractions of the image, or None.
        instruments: opaque things between patient and detector.
        scatter: kernels that follow the patient's thickness, instead of the two numbers above.
        exposure: automatic exposure control, instead of ``photons`` and ``gain``.
        glare: veiling glare of the detector.
        beam: heel effect, vignette and flat field; without it the beam is even.
        focal_spot_mm: size of the focal spot, whose penumbra depends on the view; added to ``focal_spot_sigma_px``.
        mtf_half: cycles/mm at which the detector's MTF is one half (Lorentzian); added to ``blur_sigma_px``.
        display: a workstation's window, curve and polarity, instead of ``gamma``.
        collimator_edge_mm: penumbra of the collimator, standard deviation on the detector.
        collimator_leakage: fraction of the beam that passes the collimator's blades.
        lettering: strokes that are burnt into the finished picture.
        slabs: table and cushions, where they are in the world.
        soft_tissue: how the patient differs from the CT.
        voxel_mm: supersample the CT to voxels of this size, sharpened; None takes it as it is.
    """

    kvp: float = 80.0
    photons: float = 5e5
    electronic_noise: float = 5.0
    focal_spot_sigma_px: float = 0.0
    blur_sigma_px: float = 0.4
    scatter_fraction: float = 0.05
    scatter_sigma_mm: float = 28.0
    gain: float = 1.0
    gamma: float = 1.0
    log_output: bool = False
    bits: int = 16
    collimation: Collimator | None = None
    instruments: tuple[Instrument, ...] = ()
    scatter: Scatter | None = None
    exposure: Exposure | None = None
    glare: Glare | None = None
    beam: Beam | None = None
    focal_spot_mm: float = 0.0
    mtf_half: float | None = None
    display: Display | None = None
    collimator_edge_mm: float = 0.0
    collimator_leakage: float = 0.0
    lettering: tuple[Wire, ...] = ()
    slabs: tuple[Slab, ...] = ()
    soft_tissue: SoftTissue | None = None
    voxel_mm: float | None = None

    def __post_init__(self) -> None:
        positive = ("photons", "gain", "gamma", "scatter_sigma_mm")
        at_least_zero = (
            *("electronic_noise", "focal_spot_sigma_px", "blur_sigma_px", "scatter_fraction"),
            *("focal_spot_mm", "collimator_edge_mm"),
        )
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in positive and not 0 < value < float("inf"):
                raise InputError(f"{field.name} is {value}: give a value above 0.")
            if field.name in at_least_zero and not 0 <= value < float("inf"):
                raise InputError(f"{field.name} is {value}: give 0 or more.")
        if not 0 <= self.collimator_leakage < 0.5:
            raise InputError(f"collimator_leakage is {self.collimator_leakage}: give a fraction, 0 to 0.5.")
        if not 8 <= self.bits <= 16:
            raise InputError(f"bits is {self.bits}: detectors deliver 8 to 16.")


def noise_free(**changes: object) -> Degradations:
    """An ideal system but for the spectrum: no noise to speak of, no blur, no scatter, 16 bits."""
    ideal: dict[str, object] = {
        "photons": 1e15,
        "electronic_noise": 0.0,
        "blur_sigma_px": 0.0,
        "scatter_fraction": 0.0,
    }
    return Degradations(**(ideal | changes))  # type: ignore[arg-type]


def random_degradations(rng: np.random.Generator, view: View, occluder: bool) -> Degradations:
    """Degradations drawn at random, from good to bad but realistic.

    60 to 120 kVp, noise from an exposure down to fluoroscopy, blur σ 0.3 to 1 pixel, scatter-to-primary ratio 0.05 to
    0.3, gamma 0.7 to 1.3, linear (16 bits) or log (12 bits) output, mild collimation in half of the cases.

    Args:
        rng: the source of chance.
        view: the X-ray's geometry, which instruments are sized to.
        occluder: whether something opaque lies in the beam: a rectangle, and one to three wires or screws.
    """
    log_output = bool(rng.random() < 0.5)
    return Degradations(
        kvp=float(rng.uniform(60, 120)),
        photons=float(np.exp(rng.uniform(np.log(3e4), np.log(5e5)))),
        electronic_noise=float(rng.uniform(2, 10)),
        focal_spot_sigma_px=float(rng.uniform(0, 0.4)),
        blur_sigma_px=float(rng.uniform(0.3, 1.0)),
        scatter_fraction=float(rng.uniform(0.05, 0.3)),
        scatter_sigma_mm=float(rng.uniform(15, 40)),
        gain=float(rng.uniform(0.6, 1.0)) if log_output else float(rng.uniform(0.6, 1.5)),
        gamma=float(rng.uniform(0.7, 1.3)),
        log_output=log_output,
        bits=12 if log_output else 16,
        collimation=_random_collimation(rng),
        instruments=random_instruments(rng, view) if occluder else (),
    )


def _random_collimation(rng: np.random.Generator) -> Collimator | None:
    kind = rng.random()
    if kind < 0.5:
        return None
    if kind < 0.85:
        left, top, right, bottom = rng.uniform(0, 0.12, 4).tolist()
        return Margins(left, top, right, bottom)
    return Circle(diameter=float(rng.uniform(0.95, 1.1)))


def random_instruments(rng: np.random.Generator, view: View) -> tuple[Instrument, ...]:
    """A rectangle, and one to three wires or screws, anywhere in the image."""
    size = np.array([view.width, view.height], np.float64)
    middle = (rng.uniform(0.2, 0.8, 2) * size).tolist()
    extent = (rng.uniform(0.06, 0.2, 2) * size).tolist()
    instruments: list[Instrument] = [
        Rectangle((middle[0], middle[1]), (extent[0], extent[1]), angle=float(rng.uniform(0, np.pi)))
    ]
    for _ in range(rng.integers(1, 4)):
        start, heading = rng.uniform(0.15, 0.85, 2) * size, rng.uniform(0, 2 * np.pi)
        screw = rng.random() < 0.5
        length = rng.uniform(0.08, 0.2) * size.min() if screw else rng.uniform(0.3, 1.0) * size.min()
        width_mm = rng.uniform(5, 9) if screw else rng.uniform(1, 3)
        end = start + length * np.array([np.cos(heading), np.sin(heading)])
        width = float(width_mm / view.spacing[1])
        instruments.append(
            Wire(((float(start[0]), float(start[1])), (float(end[0]), float(end[1]))), width, transmission=0.02)
        )
    return tuple(instruments)
