"""The pieces of harder X-rays within the whole chain: each one alone does to a simulated X-ray what it is for."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest

from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry.view import View
from SphericalRegLib.io.xray import read_xray
from SphericalRegLib.simulation.anatomy.table import Slab
from SphericalRegLib.simulation.degrade import Degradations, noise_free
from SphericalRegLib.simulation.dicom_writer import write_xray_dicom
from SphericalRegLib.simulation.instruments import Circle, Margins
from SphericalRegLib.simulation.simulate import SimulatedXRay, simulate, to_attenuation
from SphericalRegLib.simulation.system.beam import Beam
from SphericalRegLib.simulation.system.collimators import turned_rectangle
from SphericalRegLib.simulation.system.display import Display, Sigmoid
from SphericalRegLib.simulation.system.markers import lettering
from SphericalRegLib.simulation.system.scatter import Scatter
from SphericalRegLib.simulation.system.transfer import Glare

VIEW = View.from_spacing(48, 64, 1000.0, (4.0, 4.0), sad=700.0)


def xray(**changes: object) -> SimulatedXRay:
    """A water cylinder with a rod of bone across the beam, by an ideal system but for what is given."""
    _, j, i = np.mgrid[:24, :20, :30]
    hu = np.where((i - 14.5) ** 2 / 140 + (j - 9.5) ** 2 / 60 < 1, 0.0, -1000.0)
    hu[:, 8:12, 18:22] = 1200.0
    grid = np.diag([4.0, 8.0, 6.0, 1.0])
    grid[:3, 3] = [-58.0, -76.0, -69.0]
    pose = np.array([[1.0, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 700], [0, 0, 0, 1]])
    return simulate(hu, grid, VIEW, pose, noise_free(**changes))


def fraction(image: SimulatedXRay) -> np.ndarray:
    return image.intensity / (2**image.bits - 1)


clean_image = fraction(xray())


def test_scatter_fills_in_behind_the_body() -> None:
    hazy = fraction(xray(gain=0.5, scatter=Scatter(0.5))) * 2
    behind = clean_image < np.exp(-0.5)
    assert np.median((hazy - clean_image)[behind] / clean_image[behind]) == pytest.approx(0.5, abs=0.01)


def test_glare_takes_from_air_and_gives_to_the_dark() -> None:
    hazy = fraction(xray(glare=Glare(0.05, 30.0)))
    dark = clean_image < np.percentile(clean_image, 10)
    assert (hazy > clean_image)[dark].all()
    assert (hazy < clean_image)[clean_image > 0.99].all()
    assert hazy.sum() < clean_image.sum()


def test_a_raw_heel_effect_scales_the_picture_and_a_flat_field_undoes_it() -> None:
    raw = fraction(xray(beam=Beam(anode_depth=0.02, corrected=0.0)))
    assert raw[24, 2] / clean_image[24, 2] > 1.05 * raw[24, -3] / clean_image[24, -3]
    np.testing.assert_allclose(fraction(xray(beam=Beam(anode_depth=0.02))), clean_image, atol=2e-4)


def test_blades_have_a_penumbra_and_leak() -> None:
    field = Margins(0.25, 0.0, 0.25, 0.0)
    sharp, soft = (xray(collimation=field, collimator_edge_mm=mm, collimator_leakage=0.01) for mm in (0.0, 6.0))
    np.testing.assert_array_equal(sharp.valid, soft.valid)
    row = fraction(soft)[2] / clean_image[2]
    assert row[:8] == pytest.approx(0.01, abs=0.002)
    assert row[30] == pytest.approx(1, abs=1e-3)
    assert 0.2 < row[15] < 0.5 < row[16] < 0.8


def test_a_focal_spot_and_an_mtf_blur_edges_only() -> None:
    for changes in ({"focal_spot_mm": 20.0}, {"mtf_half": 0.05}):
        blurred = fraction(xray(**changes))
        assert np.abs(np.diff(blurred[24])).max() < 0.9 * np.abs(np.diff(clean_image[24])).max()
        assert blurred.mean() == pytest.approx(clean_image.mean(), rel=0.03)


def test_a_table_attenuates_and_is_part_of_the_truth() -> None:
    upright = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    table = Slab((0.0, 120.0, 0.0), upright, (2000.0, 40.0, 2000.0), 0.5)
    image = xray(slabs=(table,))
    thickness = image.primary[..., 0] - xray().primary[..., 0]
    assert thickness[24, 32] == pytest.approx(2.0, rel=1e-3)
    assert fraction(image)[0, 0] < 0.75


def test_text_is_white_whatever_the_polarity() -> None:
    text = lettering("L", (4.0, 4.0), 16.0)
    for bone_bright in (False, True):
        image = xray(lettering=text, display=Display(bone_bright=bone_bright))
        assert fraction(image)[8:16, 4:6].max() > 0.99


@pytest.mark.parametrize("bone_bright", [False, True])
def test_a_displayed_picture_comes_back_from_its_file_bright_where_dense(bone_bright: bool, tmp_path) -> None:
    image = xray(display=Display(Sigmoid(4.0), bone_bright=bone_bright), log_output=True, bits=8)
    write_xray_dicom(tmp_path / "x.dcm", image, VIEW)
    header = pydicom.dcmread(tmp_path / "x.dcm")
    assert (header.PixelIntensityRelationship, header.PixelIntensityRelationshipSign) == ("DISP", 1 - 2 * bone_bright)
    read = read_xray(tmp_path / "x.dcm").image
    truth = image.primary.sum(axis=2)
    assert np.corrcoef(read.ravel(), truth.ravel())[0, 1] > 0.9
    assert np.corrcoef(to_attenuation(image).ravel(), read.ravel())[0, 1] > 0.999


@pytest.mark.parametrize("field", [Circle(0.8, (0.45, 0.55)), turned_rectangle((0.5, 0.5), (0.7, 0.8), 0.3)])
def test_a_field_that_the_file_tells_is_the_mask(field, tmp_path) -> None:
    image = xray(collimation=field)
    write_xray_dicom(tmp_path / "x.dcm", image, VIEW)
    mask = read_xray(tmp_path / "x.dcm").mask
    assert (mask != image.valid).mean() < 0.04


def test_a_finer_ct_changes_edges_and_keeps_what_is_even() -> None:
    fine = xray(voxel_mm=2.0)
    assert fine.primary[24, 24].sum() == pytest.approx(xray().primary[24, 24].sum(), rel=0.03)
    assert (fine.intensity != xray().intensity).any()


def test_impossible_settings_are_named() -> None:
    for name, value in (("collimator_leakage", 0.7), ("focal_spot_mm", -1.0), ("collimator_edge_mm", float("nan"))):
        with pytest.raises(InputError, match=name):
            Degradations(**{name: value})
