"""The chain from line integrals to stored pixel values: physics, statistics, truth masks."""

from dataclasses import replace

import numpy as np
import pytest

from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry.view import View
from SphericalRegLib.simulation.degrade import Degradations, noise_free, random_degradations
from SphericalRegLib.simulation.instruments import Circle, Ellipse, Margins, Rectangle, Wire, aperture, transmission
from SphericalRegLib.simulation.simulate import develop, expose, scatter, simulate, to_attenuation, transmit
from SphericalRegLib.simulation.spectrum import MATERIALS, Spectrum, mass_attenuation, monochromatic, tube_spectrum

VIEW = View.from_spacing(48, 64, 1000.0, (2.0, 2.0), sad=700.0)


def phantom() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A water cylinder with a bone rod: HU, grid, pose."""
    _, j, i = np.mgrid[:20, :20, :30]
    hu = np.where((i - 14.5) ** 2 / 196 + (j - 9.5) ** 2 / 81 < 1, 0.0, -1000.0)
    hu[:, 8:12, 18:22] = 1200.0
    grid = np.diag([2.0, 8.0, 4.0, 1.0])
    grid[:3, 3] = [-29.0, -76.0, -38.0]
    pose = np.array([[1.0, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 700], [0, 0, 0, 1]])
    return hu, grid, pose


def water(thickness: float, shape: tuple[int, int] = (1, 1)) -> np.ndarray:
    """Line integrals (H, W, 3) of a water slab, g/cm²."""
    return np.broadcast_to([thickness, 0.0, 0.0], (*shape, 3)).copy()


def test_one_energy_obeys_beer_and_lambert():
    integrals = np.random.default_rng(0).uniform(0, 5, (4, 6, 3))
    signal, variance = transmit(integrals, monochromatic(60.0))
    exponent = sum(integrals[..., m] * mass_attenuation(name, 60.0) for m, name in enumerate(MATERIALS))
    np.testing.assert_allclose(signal, np.exp(-exponent), rtol=1e-12)
    np.testing.assert_allclose(variance, signal, rtol=1e-12)  # one quantum counts one


def test_mass_attenuation_is_the_tables_and_smooth_between():
    assert mass_attenuation("water", 60.0) == pytest.approx(0.2059)
    assert mass_attenuation("bone", [40.0, 80.0]) == pytest.approx([0.6655, 0.2229])
    # published value in between: XCOM, iron at 70 keV is near 0.82
    assert mass_attenuation("iron", 70.0) == pytest.approx(0.82, rel=0.03)
    with pytest.raises(InputError, match="15 and 150"):
        mass_attenuation("water", 200.0)
    with pytest.raises(InputError, match="'gold'"):
        mass_attenuation("gold", 60.0)


def test_the_beam_hardens_with_depth_and_more_so_in_bone():
    spectrum = tube_spectrum(80.0)
    depths = np.array([0.01, 5.0, 20.0])
    per_cm = [-np.log(transmit(water(d), spectrum)[0][0, 0]) / d for d in depths]
    assert per_cm[0] > per_cm[1] > per_cm[2]
    bone = [-np.log(transmit(np.array([[[0.0, d, 0.0]]]), spectrum)[0][0, 0]) / d for d in depths]
    assert bone[2] / bone[0] < per_cm[2] / per_cm[0]


def test_higher_voltage_penetrates_more_and_shows_less_bone():
    soft, hard = (transmit(np.array([[[20.0, 0, 0], [18.0, 2.0, 0]]]), tube_spectrum(kv))[0][0] for kv in (60.0, 120.0))
    assert hard[0] > 1.5 * soft[0]
    assert np.log(soft[0] / soft[1]) > np.log(hard[0] / hard[1]) > 0


def test_the_spectrum_is_a_plausible_tubes():
    spectrum = tube_spectrum(80.0)
    assert spectrum.photons.sum() == pytest.approx(1)
    assert 44 < spectrum.photons @ spectrum.energies < 54
    finer = tube_spectrum(80.0, bins=200)
    coarse_fine = [transmit(np.array([[[20.0, 2.0, 0]]]), s)[0][0, 0] for s in (spectrum, finer)]
    assert coarse_fine[0] == pytest.approx(coarse_fine[1], rel=0.01)
    with pytest.raises(InputError, match=r"30\.0 kV"):
        tube_spectrum(30.0)


def test_a_pixel_averages_intensities_not_attenuations():
    edge = np.zeros((2, 2, 3))
    edge[:, 1, 2] = 50.0  # steel over half of the pixel
    signal, _ = transmit(edge, tube_spectrum(80.0), subpixels=2)
    assert signal[0, 0] == pytest.approx(0.5, abs=1e-3)


def test_noise_has_the_variance_of_energy_weighted_photons():
    spectrum, photons, depth = tube_spectrum(90.0), 3000.0, 4.0
    primary, quanta = transmit(water(depth, (128, 128)), spectrum)
    ones = np.ones_like(primary)
    ideal = Degradations(photons=photons, electronic_noise=0.0, blur_sigma_px=0.0, scatter_fraction=0.0)
    signal = expose(primary, quanta, ones, ones, VIEW, ideal, np.random.default_rng(1))
    # independent: count the photons of each energy
    rng = np.random.default_rng(2)
    passing = photons * spectrum.photons * np.exp(-depth * mass_attenuation("water", spectrum.energies))
    counted = rng.poisson(passing, (16384, spectrum.energies.size)) @ spectrum.energies
    counted = counted / (photons * spectrum.photons @ spectrum.energies)
    assert signal.mean() == pytest.approx(counted.mean(), rel=2e-3)
    assert signal.std() == pytest.approx(counted.std(), rel=0.03)


def test_electronic_noise_adds_its_quanta():
    dark = np.zeros((128, 128))
    settings = Degradations(photons=1000.0, electronic_noise=7.0, scatter_fraction=0.0)
    signal = expose(dark, dark, dark, dark, VIEW, settings, np.random.default_rng(0))
    assert signal.std() * 1000 == pytest.approx(7.0, rel=0.02)


def test_detector_blur_correlates_noise_and_the_focal_spot_does_not():
    flat = np.ones((96, 96))
    ideal = Degradations(photons=1e4, electronic_noise=0.0, scatter_fraction=0.0, blur_sigma_px=0.0)
    focal, detector = replace(ideal, focal_spot_sigma_px=1.0), replace(ideal, blur_sigma_px=1.0)
    noise = [
        expose(flat, flat, flat, flat, VIEW, s, np.random.default_rng(0))[8:-8, 8:-8].std()
        for s in (ideal, focal, detector)
    ]
    assert noise[0] == pytest.approx(0.01, rel=0.05)
    assert noise[1] == pytest.approx(noise[0], rel=0.02)
    # white noise through a Gaussian: 1 / (2 sqrt(pi) sigma)
    assert noise[2] == pytest.approx(noise[0] / (2 * np.sqrt(np.pi)), rel=0.05)


def test_scatter_is_the_fraction_it_says_behind_the_patient_and_nothing_without_one():
    rng = np.random.default_rng(0)
    primary = np.exp(-rng.uniform(2.0, 4.0, (40, 50)))
    primary[:, :10] = 1.0
    scattered = scatter(primary, np.ones_like(primary), 0.3, (8.0, 8.0))
    assert np.median((scattered / primary)[:, 10:]) == pytest.approx(0.3)
    assert scattered[:, 0].min() > 0  # it reaches beyond the patient's shadow
    air = np.ones((10, 10))
    assert not scatter(air, air, 0.3, (3.0, 3.0)).any()


def test_scatter_fills_in_behind_instruments():
    primary = np.full((40, 40), 0.1)
    passed = transmission((Rectangle((20.0, 20.0), (10.0, 10.0)),), 40, 40)
    settings = noise_free(scatter_fraction=0.2)
    signal = expose(primary, primary, np.ones_like(primary), passed, VIEW, settings, np.random.default_rng(0))
    assert 0.01 < signal[20, 20] < 0.03


def test_an_instrument_hides_its_area_where_it_was_put():
    rectangle = transmission((Rectangle((20.0, 12.5), (10.0, 6.0)),), 30, 40)
    assert (1 - rectangle).sum() == pytest.approx(60)
    v, u = np.nonzero(rectangle < 0.5)
    assert (u.mean(), v.mean()) == (20.0, 12.5)
    ellipse = 1 - transmission((Ellipse((20.0, 15.0), (12.0, 8.0), angle=0.4, transmission=0.25),), 30, 40)
    assert ellipse.sum() == pytest.approx(0.75 * np.pi * 6 * 4, rel=0.02)
    turned = transmission((Rectangle((20.0, 15.0), (20.0, 2.0), angle=np.pi / 2),), 30, 40)
    assert turned[8, 20] == 0
    assert turned[15, 28] == 1
    wire = transmission((Wire(((5.0, 5.0), (30.0, 5.0), (30.0, 25.0)), 3.0, transmission=0.1),), 30, 40)
    assert wire[5, 17] == pytest.approx(0.1)
    assert wire[20, 30] == pytest.approx(0.1)
    assert wire[20, 10] == 1


def test_collimation_bounds_the_field_to_fractions_of_pixels():
    assert aperture(None, 4, 4).all()
    margins = aperture(Margins(0.25, 0.125, 0.0, 0.5), 40, 40)
    assert margins.sum() == pytest.approx(30 * 15)
    assert margins[5, 10] == 1
    assert margins[4, 10] == margins[5, 9] == 0
    assert aperture(Circle(0.5), 40, 60).sum() == pytest.approx(np.pi * 100, rel=0.01)
    with pytest.raises(InputError, match="leaves nothing"):
        aperture(Margins(0.6, 0.0, 0.6, 0.0), 10, 10)


def test_impossible_instruments_and_settings_are_named():
    with pytest.raises(InputError, match="two points"):
        transmission((Wire(((1.0, 1.0),), 2.0),), 8, 8)
    with pytest.raises(InputError, match="size above 0"):
        transmission((Ellipse((1.0, 1.0), (0.0, 2.0)),), 8, 8)
    with pytest.raises(InputError, match=r"passes 1\.5"):
        transmission((Ellipse((1.0, 1.0), (2.0, 2.0), transmission=1.5),), 8, 8)
    for wrong in ({"photons": 0.0}, {"gamma": float("nan")}, {"blur_sigma_px": -1.0}, {"bits": 24}):
        with pytest.raises(InputError, match=next(iter(wrong))):
            Degradations(**wrong)


def test_a_clean_image_gives_back_its_attenuation():
    hu, grid, pose = phantom()
    xray = simulate(hu, grid, VIEW, pose, noise_free(kvp=70.0), subpixels=1)
    expected = -np.log(transmit(xray.primary, tube_spectrum(70.0))[0])
    np.testing.assert_allclose(to_attenuation(xray), expected, atol=2e-3)
    assert xray.intensity[0, 0] == 65535  # bright = air
    assert xray.valid.all()
    assert not xray.occluded.any()


def test_output_is_windowed_log_or_linear_quantized_and_saturates():
    signal = np.array([[2.0, 1.0, np.exp(-1), np.exp(-2)]])
    linear = develop(signal, np.ones((1, 4), bool), Degradations(gain=0.5, bits=12))
    assert linear.tolist() == [[4095, 2048, 753, 277]]
    log = develop(signal, np.ones((1, 4), bool), Degradations(bits=12, log_output=True)) / 4095
    assert log[0, :2].tolist() == [1, 1]  # saturated
    assert 1 - log[0, 2] == pytest.approx((1 - log[0, 3]) / 2, abs=1e-3)
    assert log[0, 3] == pytest.approx(0.1, abs=0.01)
    curved = develop(signal, np.ones((1, 4), bool), Degradations(gain=0.5, gamma=2.0, bits=12))
    assert curved[0, 1] == round(0.25 * 4095)


def test_the_same_seed_gives_the_same_image_and_another_another():
    hu, grid, pose = phantom()
    settings = random_degradations(np.random.default_rng(5), VIEW, True)
    first, second, other = (simulate(hu, grid, VIEW, pose, settings, seed) for seed in (1, 1, 2))
    assert np.array_equal(first.intensity, second.intensity)
    assert not np.array_equal(first.intensity, other.intensity)


def test_truth_masks_follow_collimator_and_instruments():
    hu, grid, pose = phantom()
    rod = Wire(((10.0, 24.0), (50.0, 24.0)), 4.0)
    settings = noise_free(collimation=Margins(0.25, 0, 0, 0), instruments=(rod,), scatter_fraction=0.0)
    xray = simulate(hu, grid, VIEW, pose, settings)
    assert not xray.valid[:, :16].any()
    assert xray.valid[:, 16:].all()
    assert xray.intensity[:, :16].max() == 0
    assert xray.occluded[22:26, 12:48].all()
    assert xray.intensity[24, 20:48].max() == 0


@pytest.mark.parametrize("seed", range(12))
def test_random_degradations_are_reproducible_possible_and_use_the_whole_range(seed):
    drawn = [random_degradations(np.random.default_rng(seed), VIEW, seed % 2 == 0) for _ in range(2)]
    assert drawn[0] == drawn[1]
    assert bool(drawn[0].instruments) == (seed % 2 == 0)
    hu, grid, pose = phantom()
    xray = simulate(hu, grid, VIEW, pose, drawn[0], seed, subpixels=1)
    assert xray.valid.mean() > 0.5
    assert xray.intensity.max() <= 2**xray.bits - 1
    visible = xray.valid & ~xray.occluded
    dense, air = xray.primary[..., 0] > 5, xray.primary[..., 0] == 0
    assert np.median(to_attenuation(xray)[visible & dense]) > np.median(to_attenuation(xray)[visible & air])


def test_a_spectrum_is_what_it_is_given():
    spectrum = Spectrum(np.array([40.0, 80.0]), np.array([0.5, 0.5]))
    assert spectrum.signal().tolist() == pytest.approx([1 / 3, 2 / 3])


def test_two_energies_add_up_as_by_hand():
    """10 g/cm² of water and 1 of bone, 3 quanta of 40 keV for each of 80: NIST's numbers, Beer-Lambert by energy."""
    spectrum = Spectrum(np.array([40.0, 80.0]), np.array([0.75, 0.25]))
    signal, _ = transmit(np.array([[[10.0, 1.0, 0.0]]]), spectrum)
    # energy-integrating: 0.75 · 40 keV against 0.25 · 80 keV is 0.6 to 0.4
    at_40 = np.exp(-(10 * 0.2683 + 1 * 0.6655))
    at_80 = np.exp(-(10 * 0.1837 + 1 * 0.2229))
    assert signal[0, 0] == pytest.approx(0.6 * at_40 + 0.4 * at_80, rel=1e-12)
