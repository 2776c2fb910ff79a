"""Cases of the capture study are drawn as described, and their X-rays are read and not known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from SphericalRegLib.errors import InputError
from SphericalRegLib.evaluation.cases import bone_points, capture_view, draw_case, simulated_xray
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.carm import pose_from_preset
from SphericalRegLib.imaging.ct import CT
from SphericalRegLib.imaging.volume import to_volume
from SphericalRegLib.io.ct import read_ct
from SphericalRegLib.sample import sample_path
from SphericalRegLib.simulation.instruments import Margins

CENTER = torch.tensor([4.0, 160.0, 260.0], dtype=torch.float64)
VIEW = capture_view()


@pytest.fixture(scope="module")
def pelvis() -> CT:
    files = [sample_path(f"pelvis_lumbar_3mm{end}") for end in (".nii.gz", "_labels.nii.gz", "_labels.json")]
    return read_ct(*files)


def test_the_view_is_the_one_of_the_study() -> None:
    assert (VIEW.height, VIEW.width, VIEW.sdd, VIEW.sad) == (256, 256, 1000.0, 700.0)
    assert VIEW.spacing == pytest.approx((1.4, 1.4))


def test_a_case_depends_on_nothing_but_its_index_and_the_seed() -> None:
    again, first = draw_case(7, 3, VIEW, CENTER), draw_case(7, 3, VIEW, CENTER)
    torch.testing.assert_close(again.truth, first.truth, rtol=0, atol=0)
    assert again.degradations == first.degradations
    assert again.noise_seed == first.noise_seed
    for other in (draw_case(8, 3, VIEW, CENTER), draw_case(7, 4, VIEW, CENTER)):
        assert (other.truth - first.truth).abs().max() > 0.01


def test_truths_and_starts_fill_their_ranges_and_stay_inside() -> None:
    ap = pose_from_preset("AP", 700.0, CENTER)
    cases = [draw_case(n, 0, VIEW, CENTER) for n in range(200)]
    truths = torch.stack([se3.difference_about(c.truth, ap, CENTER) for c in cases]).abs().amax(0)
    starts = torch.stack([se3.difference_about(c.start, c.truth, CENTER) for c in cases]).abs().amax(0)
    degrees = torch.rad2deg(truths[:3]), torch.rad2deg(starts[:3])
    for largest, limit in zip(
        (*degrees, truths[3:], starts[3:]),
        ([20.0] * 3, [20.0] * 3, [50.0, 50.0, 60.0], [40.0, 40.0, 80.0]),
        strict=True,
    ):
        bound = torch.tensor(limit, dtype=torch.float64)
        # the logarithm of SE(3) mixes a little translation into rotation, but never at the isocenter
        assert (largest <= bound * 1.05).all(), (largest, bound)
        assert (largest > bound * 0.9).all(), (largest, bound)


def test_every_second_case_has_an_occluder() -> None:
    assert [draw_case(n, 0, VIEW, CENTER).occluded for n in range(6)] == [False, True] * 3


def test_an_xray_comes_with_its_exact_geometry_and_an_estimated_mask(pelvis: CT) -> None:
    case = draw_case(1, 0, VIEW, to_volume(pelvis).center)
    closed = replace(case.degradations, collimation=Margins(0.1, 0.08, 0.12, 0.05))
    xray = simulated_xray(replace(case, degradations=closed), pelvis, VIEW)
    torch.testing.assert_close(xray.view.intrinsics, VIEW.intrinsics, rtol=1e-9, atol=1e-7)
    assert xray.view.sad == 700.0
    assert xray.start_angles is None
    assert not xray.mask[128, :15].any()  # found in the image: the file does not tell
    assert xray.mask[100:150, 100:150].mean() > 0.5


def test_the_same_case_gives_the_same_xray(pelvis: CT) -> None:
    small = replace(pelvis, hu=pelvis.hu[30:60], labels=None)
    case = draw_case(2, 0, VIEW, CENTER)
    first, second = (simulated_xray(case, small, VIEW).image for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_targets_lie_on_the_chosen_bone(pelvis: CT) -> None:
    points = bone_points(pelvis, ["vertebrae_L3"])
    voxels = torch.linalg.solve(
        torch.from_numpy(pelvis.world_from_voxel), torch.cat([points, torch.ones(len(points), 1)], 1).T.double()
    )
    i, j, k = voxels[:3].round().long().numpy()
    assert pelvis.labels is not None
    assert (pelvis.labels[k, j, i] == 5).all()
    assert len(points) == min(2000, int((pelvis.labels == 5).sum()))
    torch.testing.assert_close(points, bone_points(pelvis, [5]), rtol=0, atol=0)


def test_targets_without_labels_are_dense(pelvis: CT) -> None:
    assert bone_points(replace(pelvis, labels=None)).shape == (2000, 3)
    with pytest.raises(InputError, match="no bone"):
        bone_points(replace(pelvis, labels=None, hu=np.zeros_like(pelvis.hu)))
