"""X-rays simulated from a CT, independently of the registration's renderer, with the truth known.

The chain follows the beam: patient and table as they lie, tube spectrum, exact line integrals through water, bone and
metal, instruments and collimator, scatter, focal spot, heel effect, quantum noise, detector blur, glare, electronic
noise, flat field, gain, logarithm, tone curve, bits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from SphericalRegLib.compilation import compiled
from SphericalRegLib.geometry.view import View
from SphericalRegLib.simulation import instruments
from SphericalRegLib.simulation.anatomy.finer import finer
from SphericalRegLib.simulation.anatomy.soft_tissue import moved
from SphericalRegLib.simulation.anatomy.table import slab_integrals
from SphericalRegLib.simulation.degrade import Degradations
from SphericalRegLib.simulation.siddon import FloatArray, checked_hu, line_integrals
from SphericalRegLib.simulation.spectrum import Spectrum, tube_spectrum
from SphericalRegLib.simulation.system.beam import flat_field, incident
from SphericalRegLib.simulation.system.display import displayed
from SphericalRegLib.simulation.system.exposure import behind
from SphericalRegLib.simulation.system.scatter import scattered, shadowed
from SphericalRegLib.simulation.system.transfer import focal_spot, gaussian, lorentzian, transferred
from SphericalRegLib.simulation.tissue import TissueModel
from SphericalRegLib.threads import share_out

# Less is not worth handing to another thread: a thousand rays take some milliseconds.
_NUMBERS_A_PART = 4 * 1000

# Where the patient is taken to be between source and detector if no isocenter tells it.
_USUAL_DEPTH = 0.7
# A blur is followed so far, mm: beyond it nothing is left of an MTF, or little of a glare.
_SHARP_REACH_MM, _FAR_REACH_MM = 20.0, 200.0


@dataclass(frozen=True)
class SimulatedXRay:
    """An X-ray as a detector delivers it, and what only a simulator knows about it.

    Attributes:
        intensity: (H, W) uint16 stored values, bright = air unless a display turned them over.
        bits: stored bits; full scale is 2**bits - 1.
        log_output: whether the values are a log intensity already.
        valid: (H, W) bool, inside the collimated field.
        occluded: (H, W) bool, behind an instrument.
        primary: (H, W, 3) mean g/cm² of water, cortical bone and metal over each pixel, of patient and table, free of
            all degradations.
        degradations: what was simulated.
    """

    intensity: NDArray[np.uint16]
    bits: int
    log_output: bool
    valid: NDArray[np.bool_]
    occluded: NDArray[np.bool_]
    primary: FloatArray
    degradations: Degradations


def simulate(
    hu: NDArray[np.floating],
    world_from_voxel: FloatArray,
    view: View,
    pose: FloatArray,
    degradations: Degradations | None = None,
    seed: int = 0,
    subpixels: int = 2,
    tissue: TissueModel | None = None,
) -> SimulatedXRay:
    """The X-ray of a CT at a pose.

    Args:
        hu: (K, J, I) Hounsfield units.
        world_from_voxel: (4, 4) mm of voxel centers (i, j, k); any affine grid.
        view: the X-ray's projection geometry.
        pose: (4, 4) rig_from_world.
        degradations: the X-ray system; a clean one by default.
        seed: of the noise; the same seed gives the same image.
        subpixels: rays along each side of a pixel, averaged as intensities: a pixel has an area.
        tissue: how Hounsfield units become materials.

    Raises:
        InputError: if the CT is not finite or not 3D, or a setting is impossible.
        GeometryError: if the grid or the pose is impossible, the source inside the CT or the CT outside the beam.
    """
    settings = degradations or Degradations()
    if settings.soft_tissue is not None:
        hu = moved(checked_hu(hu), world_from_voxel, settings.soft_tissue)
    if settings.voxel_mm is not None:
        hu, world_from_voxel = finer(checked_hu(hu), world_from_voxel, settings.voxel_mm)
    integrals = line_integrals(hu, world_from_voxel, view, pose, tissue, subpixels)
    if settings.slabs:
        integrals[..., 0] += slab_integrals(settings.slabs, view, pose, subpixels)
    primary, quanta = transmit(integrals, tube_spectrum(settings.kvp), subpixels)
    opened = instruments.aperture(settings.collimation, view.height, view.width)
    valid = opened > 0.5
    passed = instruments.transmission(settings.instruments, view.height, view.width)
    signal = expose(
        primary, quanta, _leaking(opened, view, settings), passed, view, settings, np.random.default_rng(seed)
    )
    shadow = shadowed(primary, opened)
    return SimulatedXRay(
        intensity=_lettered(develop(signal, valid, settings, shadow, view.spacing), settings),
        bits=settings.bits,
        log_output=settings.log_output,
        valid=valid,
        occluded=passed < 0.99,
        primary=_pixel_means(integrals[..., :3], subpixels),
        degradations=settings,
    )


def to_attenuation(xray: SimulatedXRay) -> NDArray[np.float32]:
    """(H, W) attenuation, bright = dense, from stored values alone: -ln(I / full scale), or 1 - I / full scale if log.

    Up to gain, tone curve, scatter and noise, which a reader of real X-rays does not know either.
    """
    full = 2**xray.bits - 1
    fraction = np.maximum(xray.intensity, 1).astype(np.float32) / full
    display = xray.degradations.display
    if display is not None and display.bone_bright:
        return fraction
    return 1 - fraction if xray.log_output or display is not None else -np.log(fraction)


def transmit(integrals: FloatArray, spectrum: Spectrum, subpixels: int = 1) -> tuple[FloatArray, FloatArray]:
    """What an energy-integrating detector sees of line integrals, averaged over each pixel's rays.

    Args:
        integrals: (H·subpixels, W·subpixels, 3 or more) g/cm² of water, cortical bone and metal.
        spectrum: of the tube.
        subpixels: rays along each side of a pixel.

    Returns:
        (H, W) signal as a fraction of the unattenuated one, Σ s_E exp(-Σ_m (μ/ρ)_m,E ∫ρ_m) with s_E ∝ E n_E; and
        (H, W) its variance times the number of unattenuated photons (compound Poisson: Σ E² n_E T_E / (Σ E n_E)²).
    """
    variance = spectrum.photons * spectrum.energies**2 / (spectrum.photons @ spectrum.energies) ** 2
    attenuation, signal = spectrum.attenuation(), spectrum.signal()
    rows = integrals.shape[0] // subpixels
    out = np.zeros((2, rows, integrals.shape[1] // subpixels))

    def add(first: int, last: int) -> None:
        _transmit(first, last, integrals, attenuation, signal, variance, subpixels, out)

    share_out(add, rows, integrals.size // _NUMBERS_A_PART)
    return out[0], out[1]


def scatter(primary: FloatArray, opened: FloatArray, fraction: float, sigma_px: tuple[float, float]) -> FloatArray:
    """(H, W) scattered signal: the forward-scatter potential P ln(1/P) of the primary P, spread by a Gaussian.

    Air scatters nothing and an opaque body lets nothing out (Ohnesorge et al., Eur. Radiol. 9, 1999). Scaled so that
    the median of scatter over primary behind the patient is ``fraction``.

    Args:
        primary: (H, W) transmitted fraction behind the patient, before collimator and instruments.
        opened: (H, W) open fraction of the collimator, which is between tube and patient and so limits scatter.
        fraction: scatter-to-primary ratio.
        sigma_px: spread in pixels, along rows' and columns' direction (v, u).
    """
    # air transmits 1 but for rounding, and beyond the collimator nothing would hide a negative scatter of it
    source = opened * np.maximum(-primary * np.log(np.maximum(primary, 1e-30)), 0)
    spread = gaussian_filter(source, sigma_px, mode="constant")
    shadow = shadowed(primary, opened)
    if fraction == 0 or not shadow.any():
        return np.zeros_like(primary)
    return fraction * spread / np.median(spread[shadow] / primary[shadow])


def expose(
    primary: FloatArray,
    quanta: FloatArray,
    opened: FloatArray,
    passed: FloatArray,
    view: View,
    settings: Degradations,
    rng: np.random.Generator,
) -> FloatArray:
    """(H, W) detector signal, 1 = unattenuated beam, from the clean transmission to the end of the electronics.

    Args:
        primary, quanta: signal and its variance per photon, from :func:`transmit`.
        opened, passed: (H, W) fractions that the collimator leaves open and that the instruments let through.
        view: for the detector's pixel spacing.
        settings: the X-ray system.
        rng: the source of noise.
    """
    # instruments may lie anywhere along the beam: scatter is taken to arise before them and to fill in behind them
    if settings.scatter is not None:
        haze = scattered(primary, opened, view.spacing, settings.scatter)
    else:
        sigma = (settings.scatter_sigma_mm / view.spacing[0], settings.scatter_sigma_mm / view.spacing[1])
        haze = scatter(primary, opened, settings.scatter_fraction, sigma)
    signal = gaussian_filter(primary * opened * passed, settings.focal_spot_sigma_px)
    if settings.focal_spot_mm > 0:
        penumbra = focal_spot(settings.focal_spot_mm, view.sdd, view.sad or _USUAL_DEPTH * view.sdd)
        # a sinc rings below zero beside an opaque edge
        signal = np.maximum(transferred(signal, view.spacing, penumbra, _SHARP_REACH_MM, "edge"), 0)
    signal = signal + haze
    light = None if settings.beam is None else incident(view, settings.beam)
    if light is not None:
        signal = signal * light
    # mean energy of the quanta: a hardened beam has fewer of them for the same signal
    per_quantum = np.divide(quanta, primary, out=np.ones_like(primary), where=primary > 0)
    photons = settings.photons
    if settings.exposure is not None:
        per_pixel = settings.exposure.quanta_per_mm2 * view.spacing[0] * view.spacing[1]
        photons = per_pixel / behind(signal / per_quantum, shadowed(primary, opened))
    expected = photons * signal / per_quantum
    noisy = rng.poisson(expected) * per_quantum / photons
    blurred = gaussian_filter(noisy, settings.blur_sigma_px)
    if settings.mtf_half is not None:
        blurred = transferred(blurred, view.spacing, lorentzian(settings.mtf_half), _SHARP_REACH_MM, "edge")
    if settings.glare is not None:
        blurred = transferred(blurred, view.spacing, settings.glare, _FAR_REACH_MM)
    delivered = blurred + rng.normal(0.0, 1.0, blurred.shape) * (settings.electronic_noise / photons)
    if light is not None and settings.beam is not None:
        delivered = delivered / flat_field(light, view, settings.beam)
    return delivered


def develop(
    signal: FloatArray,
    valid: NDArray[np.bool_],
    settings: Degradations,
    shadow: NDArray[np.bool_] | None = None,
    spacing: tuple[float, float] = (1.0, 1.0),
) -> NDArray[np.uint16]:
    """(H, W) stored values of a detector signal: gain, saturation, logarithm, tone curve and quantization.

    Without a display's settings, log output is windowed to the image: full scale is air, a tenth above zero is the
    attenuation that all but 0.5 % of the field stay below.

    Args:
        signal: (H, W), 1 = unattenuated beam.
        valid: (H, W), within the collimated field.
        settings: the X-ray system.
        shadow: (H, W), behind the patient; as ``valid`` by default.
        spacing: (row, column) mm of pixel centers, for a display that sharpens.
    """
    shadow = valid if shadow is None else shadow
    gain = settings.gain
    if settings.exposure is not None:
        gain = settings.exposure.level / max(behind(signal, shadow), 1e-12)
    if settings.display is not None:
        regions = (valid, shadow if shadow.any() else valid)
        return displayed(gain * signal, regions, spacing, settings.log_output, settings.bits, settings.display)
    normalized = np.clip(gain * signal, 0, 1)
    if settings.log_output:
        attenuation = -np.log(np.maximum(normalized, 0.5 / (2**16 - 1)))
        upper = max(float(np.percentile(attenuation[valid], 99.5)), 1e-6) / 0.9
        normalized = np.clip(1 - attenuation / upper, 0, 1)
    full = 2**settings.bits - 1
    return np.round(normalized**settings.gamma * full).astype(np.uint16)


def _leaking(opened: FloatArray, view: View, settings: Degradations) -> FloatArray:
    """(H, W) what passes the collimator: with the penumbra of its blades, and through them."""
    if settings.collimation is None:
        return opened
    if settings.collimator_edge_mm > 0:
        edge = settings.collimator_edge_mm
        opened = np.clip(transferred(opened, view.spacing, gaussian(edge), 4 * edge, "edge"), 0, 1)
    return settings.collimator_leakage + (1 - settings.collimator_leakage) * opened


def _lettered(stored: NDArray[np.uint16], settings: Degradations) -> NDArray[np.uint16]:
    """With white text burnt in."""
    if not settings.lettering:
        return stored
    shown = instruments.transmission(settings.lettering, *stored.shape)
    return np.round(stored * shown + (2**settings.bits - 1) * (1 - shown)).astype(np.uint16)


def _pixel_means(rays: FloatArray, subpixels: int) -> FloatArray:
    rows, columns, channels = rays.shape
    shape = (rows // subpixels, subpixels, columns // subpixels, subpixels, channels)
    return rays.reshape(shape).mean(axis=(1, 3))


@compiled
def _transmit(begin, end, integrals, attenuation, signal, variance, subpixels, out):  # type: ignore[no-untyped-def]
    """Add what passes of rows [begin, end) to ``out`` (2, H, W)."""
    weight = 1.0 / subpixels**2
    for v in range(begin, end):
        for u in range(out.shape[2]):
            for a in range(subpixels):
                for b in range(subpixels):
                    ray = integrals[v * subpixels + a, u * subpixels + b]
                    for e in range(signal.shape[0]):
                        exponent = attenuation[e, 0] * ray[0] + attenuation[e, 1] * ray[1] + attenuation[e, 2] * ray[2]
                        passed = weight * np.exp(-exponent)
                        out[0, v, u] += passed * signal[e]
                        out[1, v, u] += passed * variance[e]
