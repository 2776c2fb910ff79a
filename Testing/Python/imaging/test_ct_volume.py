"""The volume that is rendered: where the CT is, without the air, with only the chosen bones."""

import numpy as np
import pytest
import torch

from SphericalRegLib.errors import InputError
from SphericalRegLib.imaging.attenuation import linear_attenuation
from SphericalRegLib.imaging.ct import CT
from SphericalRegLib.imaging.volume import body_box, to_volume
from Testing.Python.io import builders


def patient() -> CT:
    """Two legs in air on an oblique grid, a bone in each, and a cable far away."""
    spacing, directions, origin = builders.oblique_grid()
    hu = np.full((20, 30, 40), -1000, np.float32)
    labels = np.zeros(hu.shape, np.int32)
    hu[3:15, 8:20, 5:14] = 30
    hu[3:15, 10:20, 20:30] = 30
    hu[0, 0, 39] = 500
    hu[5:12, 12:16, 8:11], labels[5:12, 12:16, 8:11] = 900, 1
    hu[4:13, 13:17, 23:27], labels[4:13, 13:17, 23:27] = 1100, 2
    matrix = np.eye(4)
    matrix[:3, :3] = builders.LPS[:, None] * directions * spacing
    matrix[:3, 3] = builders.LPS * origin
    return CT(hu, matrix, labels, {1: "femur_left", 2: "femur_right"}, "patient.nrrd")


def at(volume, point) -> float:
    """Density at the voxel nearest to a world point."""
    index = np.linalg.inv(volume.world_from_voxel.numpy()) @ [*point, 1]
    i, j, k = np.round(index[:3]).astype(int)
    assert np.abs(index[:3] - [i, j, k]).max() < 1e-6
    return float(volume.density[0, k, j, i])


def test_cropping_takes_the_air_away_and_moves_nothing():
    ct = patient()
    cropped, whole = to_volume(ct), to_volume(ct, crop=False)
    assert cropped.density.shape == (1, 14, 14, 27)  # the legs and one voxel around them, not the cable
    assert whole.density.shape == (1, 20, 30, 40)
    assert cropped.density.dtype == torch.float32
    for i, j, k in [(5, 8, 3), (29, 19, 14), (9, 13, 6), (25, 15, 8), (16, 12, 7)]:
        point = (ct.world_from_voxel @ [i, j, k, 1])[:3]
        expected = linear_attenuation(ct.hu[k, j, i])
        assert at(cropped, point) == at(whole, point) == pytest.approx(float(expected))


def test_the_isocenter_is_the_middle_of_the_body_cropped_or_not():
    ct = patient()
    middle = (ct.world_from_voxel @ [(5 + 29) / 2, (8 + 19) / 2, (3 + 14) / 2, 1])[:3]
    for crop in (True, False):
        np.testing.assert_allclose(to_volume(ct, crop=crop).center, middle, atol=1e-9)


def test_chosen_bones_alone_are_rendered():
    ct = patient()
    volume = to_volume(ct, labels=["femur_right"])
    assert volume.density.shape == (1, 11, 6, 6)
    expected = float(linear_attenuation(np.array([1100.0]))[0])
    assert volume.density.sum() == pytest.approx(expected * (ct.labels == 2).sum(), rel=1e-5)
    middle = (ct.world_from_voxel @ [24.5, 14.5, 8, 1])[:3]
    np.testing.assert_allclose(volume.center, middle, atol=1e-9)
    assert at(volume, (ct.world_from_voxel @ [23, 13, 4, 1])[:3]) == pytest.approx(expected)


def test_each_label_gets_a_channel_in_the_order_chosen():
    ct = patient()
    both = to_volume(ct, labels=[2, 1], channels="labels")
    one = to_volume(ct, labels=[2, 1])
    assert both.density.shape[0] == 2
    torch.testing.assert_close(both.density.sum(0, keepdim=True), one.density)
    right, left = (float(linear_attenuation(np.array([hu]))[0]) for hu in (1100.0, 900.0))
    assert both.density[0].max() == pytest.approx(right)
    assert both.density[1].max() == pytest.approx(left)
    np.testing.assert_allclose(to_volume(ct, channels="labels").density, both.density.flip(0))


def test_the_coarse_search_for_the_body_misses_nothing():
    hu = np.full((300, 20, 520), -1000, np.float32)
    hu[7:290, 3:9, 101:402] = 0
    box = body_box(hu)
    assert all(s.start <= low and s.stop >= high for s, low, high in zip(box, (7, 3, 101), (290, 9, 402), strict=True))
    assert all(s.start >= low - 4 for s, low in zip(box, (7, 3, 101), strict=True))


def test_nothing_but_air_is_an_error():
    ct = patient()
    with pytest.raises(InputError, match="nothing but air"):
        to_volume(CT(np.full_like(ct.hu, -900), ct.world_from_voxel))


def test_labels_over_air_are_an_error():
    ct = patient()
    labels = np.zeros_like(ct.labels)
    labels[17:19, 1:3, 1:3] = 1
    with pytest.raises(InputError, match=r"'femur_left'.*only air"):
        to_volume(CT(ct.hu, ct.world_from_voxel, labels, ct.label_names), labels=[1])


@pytest.mark.parametrize("choice", [{"labels": []}, {"labels": ["tibia"]}])
def test_an_empty_or_unknown_selection_lists_what_is_there(choice):
    with pytest.raises(InputError, match="1 femur_left, 2 femur_right"):
        to_volume(patient(), **choice)


def test_channels_without_labels_are_an_error():
    ct = patient()
    with pytest.raises(InputError, match="without a label map"):
        to_volume(CT(ct.hu, ct.world_from_voxel), channels="labels")
