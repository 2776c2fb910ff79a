"""Files from real scanners and C-arms; skipped where they are not at hand."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from SphericalRegLib.errors import GeometryError
from SphericalRegLib.imaging.volume import to_volume
from SphericalRegLib.io.ct import read_ct
from SphericalRegLib.io.xray import read_xray

DATA = Path(os.environ.get("SPHERICALREG_DATA", Path(__file__).resolve().parents[3].parent / "shared" / "data"))


def real(name: str) -> Path:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"{path} is not here")
    return path


def polar(image: np.ndarray, mask: np.ndarray, dense, air) -> bool:
    """Whether a place known to be dense is brighter than one known to be air, and both are usable."""
    return bool(mask[dense] and mask[air] and image[dense] > image[air])


def test_a_radiograph_of_a_hip():
    path = real("dicom/WG04_RG2_hip.dcm")
    with pytest.raises(GeometryError, match="sdd"):
        read_xray(path)
    xray = read_xray(path, sdd=1100)
    assert xray.view.spacing == pytest.approx((0.2, 0.2))
    assert polar(xray.image, xray.mask, (1000, 1100), (1000, 1380))  # femoral head, air beside the hip
    assert not xray.mask[1500:2000, 1600:].any()  # nothing but the collimator
    assert xray.mask[200:1400, 300:1300].mean() > 0.99


def test_a_chest_whose_spacing_was_written_as_zero():
    path = real("dicom/WG04_RG1_chest.dcm")
    with pytest.raises(GeometryError, match=r"PixelSpacing .* is 0 × 0 mm"):
        read_xray(path)
    xray = read_xray(path, spacing=(0.2, 0.2))
    assert xray.view.sdd == 1996
    assert polar(xray.image, xray.mask, (1600, 500), (700, 600))  # liver, lung: MONOCHROME1
    assert xray.mask.mean() > 0.95


def test_an_angiogram_in_a_round_field():
    xray = read_xray(real("dicom/WG04_XA1.dcm"), sdd=1000, spacing=(0.3, 0.3))
    assert xray.image[980, 430] > xray.image[60, 512]  # skull base, thin calvaria
    rows, columns = np.mgrid[:1024, :1024]
    distance = np.hypot(rows - 511.5, columns - 511.5)
    assert not xray.mask[distance > 530].any()
    assert xray.mask[distance < 490].mean() > 0.99


def test_a_portal_image_of_a_slit():
    xray = read_xray(real("dicom/RI6XDosiGap.dcm"))
    assert xray.view.sad == 1000
    assert xray.view.sdd == pytest.approx(1500.033)
    assert "logarithm" in xray.conversion
    assert xray.image[384, 510] < xray.image[384, 300] - 2  # the open slit, the jaws


@pytest.mark.parametrize("camera", [1, 2])
def test_a_biplane_image_of_a_wrist(camera):
    path = real(f"wrist_biplane/xr_rad_uln_cam0{camera}_UND.0002.tif")
    xray = read_xray(path, sdd=1000, spacing=(0.16, 0.16), intensity="inverted")
    rows, columns = np.mgrid[:1760, :1760]
    distance = np.hypot(rows - 880, columns - 880)
    assert xray.mask[distance > 900].mean() < 0.02
    assert xray.mask[distance < 800].mean() > 0.98
    bone, air = ((1500, 870), (900, 400)) if camera == 1 else ((1500, 530), (900, 1200))
    assert polar(xray.image, xray.mask, bone, air)


def test_the_wrists_ct_in_its_true_size():
    ct = read_ct(real("wrist_biplane/rad_dcm_cropped.tif"), spacing=(0.39625, 0.39625, 0.625), rescale=(1, -1024))
    assert ct.hu.shape == (128, 86, 68)
    length = to_volume(ct).density.shape[1] * 0.625
    assert 70 < length <= 80  # mm of a distal radius


def test_a_pelvis_with_its_labels():
    ct = read_ct(
        real("ct/pelvis_lumbar_3mm.nii.gz"),
        real("ct/pelvis_lumbar_3mm_labels.nii.gz"),
        real("ct/pelvis_lumbar_3mm_labels.json"),
    )
    left, right = (to_volume(ct, labels=[name]).center for name in ("hip_left", "hip_right"))
    upper, lower = (to_volume(ct, labels=[name]).center for name in ("vertebrae_L1", "vertebrae_L5"))
    assert left[0] < right[0] - 80  # R is positive in RAS
    assert upper[2] > lower[2] + 80
    bone = ct.hu[ct.labels == 9]
    assert 150 < np.median(bone) < 600
    assert to_volume(ct, channels="labels").density.shape[0] == 22
