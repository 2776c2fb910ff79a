"""Poses from landmarks: exact data, noise, wrong landmarks, mirrored and several views, and what can't work."""

import contextlib

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry import carm, se3
from SphericalRegLib.geometry.view import View, is_rigid, mirrored_view
from SphericalRegLib.initialization.landmarks import match_by_name, pose_from_landmarks
from SphericalRegLib.initialization.reprojection import jacobian, observe, refine, residuals

ISOCENTER = torch.tensor([10.0, -190.0, 880.0], dtype=torch.float64)
VIEW = View.from_spacing(700, 600, 1020.0, (0.5, 0.6), (280.0, 333.0), sad=700.0)
MIRRORED = mirrored_view(VIEW)


def scene(seed: int, count: int, flat: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
    """Landmarks (N, 3) about the isocenter and a pose."""
    generator = torch.Generator().manual_seed(seed)
    spread = torch.tensor([60.0, 0.0 if flat else 40.0, 60.0], dtype=torch.float64)
    points = ISOCENTER + torch.randn(count, 3, generator=generator, dtype=torch.float64) * spread
    primary, secondary, turn = (torch.rand(3, generator=generator) * torch.tensor([360, 60, 60])).tolist()
    pose = carm.pose_from_angles(primary, secondary - 30, 700.0, ISOCENTER, turn - 30)
    off = torch.randn(6, generator=generator, dtype=torch.float64) * torch.tensor([0, 0, 0, 20, 20, 40])
    return points, se3.about(off, pose, ISOCENTER)


def target_error(pose: torch.Tensor, truth: torch.Tensor, points: torch.Tensor) -> float:
    apart = se3.transform_points(pose, points) - se3.transform_points(truth, points)
    return apart.norm(dim=1).mean().item()


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(5, 12), st.booleans(), st.booleans())
def test_exact_landmarks_give_the_exact_pose_from_any_side_mirrored_or_not(seed, count, mirrored, flat):
    view = MIRRORED if mirrored else VIEW
    points, pose = scene(seed, count, flat)
    found = pose_from_landmarks(points, view.project(points, pose), view)
    if not flat:
        assert target_error(found.pose, pose, points) < 1e-4
    # of planar landmarks another pose may be as good but for rounding
    assert found.rms_px < 1e-4
    assert found.inliers[0].all()


def test_four_landmarks_are_enough():
    points, pose = scene(3, 4)
    found = pose_from_landmarks(points, VIEW.project(points, pose), VIEW)
    assert found.rms_px < 1e-4


def test_numpy_arrays_and_lists_are_taken_too():
    points, pose = scene(1, 6)
    pixels = VIEW.project(points, pose)
    found = pose_from_landmarks(points.numpy(), pixels.tolist(), VIEW)
    assert target_error(found.pose, pose, points) < 1e-4


def test_with_noise_no_better_pose_is_near():
    points, pose = scene(5, 9)
    noise = torch.randn(9, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    pixels = MIRRORED.project(points, pose) + 2 * noise
    found = pose_from_landmarks(points, pixels, MIRRORED)
    from_truth = refine(pose, [observe(MIRRORED, points, pixels)])
    assert target_error(found.pose, from_truth, points) < 1e-4
    assert 0.5 < found.rms_px < 5


def test_refinement_agrees_with_opencvs():
    points, pose = scene(7, 10)
    noise = torch.randn(10, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    square = View.from_spacing(700, 600, 1020.0, (0.5, 0.5), (280.0, 333.0))
    pixels = square.project(points, pose) + noise
    found = pose_from_landmarks(points, pixels, square).pose
    start = cv2.Rodrigues(pose[:3, :3].numpy())[0], pose[:3, 3:].numpy().copy()
    rotation, offset = cv2.solvePnPRefineLM(
        points.numpy(), pixels.numpy(), square.intrinsics.numpy(), None, *start,
        criteria=(cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_COUNT, 100, 1e-12),
    )  # fmt: skip
    expected = se3.from_parts(torch.from_numpy(cv2.Rodrigues(rotation)[0]), torch.from_numpy(offset[:, 0]))
    assert target_error(found, expected, points) < 0.02


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_wrong_landmarks_are_found_out(seed, flat):
    points, pose = scene(seed, 9, flat)
    generator = torch.Generator().manual_seed(seed)
    pixels = VIEW.project(points, pose) + 0.3 * torch.randn(9, 2, generator=generator, dtype=torch.float64)
    wrong = torch.zeros(9, dtype=torch.bool)
    wrong[[1, 6]] = True
    pixels[wrong] += torch.tensor([[90.0, -70.0], [-80.0, 100.0]])
    found = pose_from_landmarks(points, pixels, VIEW)
    assert torch.equal(found.inliers[0], ~wrong)
    assert found.residuals_mm[0][wrong].min() > 5
    assert found.rms_px < 1.5


def test_swapped_names_are_found_out():
    points, pose = scene(11, 8)
    pixels = VIEW.project(points, pose)
    pixels[[0, 1]] = pixels[[1, 0]]
    found = pose_from_landmarks(points, pixels, VIEW)
    assert found.inliers[0].tolist() == [False, False] + [True] * 6
    assert target_error(found.pose, pose, points) < 1e-4


def test_two_views_fix_the_depth_that_one_leaves_open():
    one_view, two_views = [], []
    for seed in range(8):
        points, pose = scene(seed, 7)
        side = se3.exp(torch.tensor([0, 1.4, 0.1, -650, 20, 600], dtype=torch.float64))
        # as wide as these landmarks spread in it
        lateral = View(MIRRORED.intrinsics, 700, 1200, 1020.0, side, name="lateral")
        generator = torch.Generator().manual_seed(seed)
        noise = torch.randn(2, 7, 2, generator=generator, dtype=torch.float64)
        pixels = [v.project(points, pose) + 2 * n for v, n in zip((VIEW, lateral), noise, strict=True)]
        one_view.append(target_error(pose_from_landmarks(points, pixels[0], VIEW).pose, pose, points))
        # the second sees only five of them
        both = pose_from_landmarks([points, points[:5]], [pixels[0], pixels[1][:5]], [VIEW, lateral])
        two_views.append(target_error(both.pose, pose, points))
        assert [len(mask) for mask in both.inliers] == [7, 5]
    assert np.median(two_views) < 0.5 * np.median(one_view)


def test_the_result_is_the_same_every_time():
    points, pose = scene(2, 14)
    pixels = VIEW.project(points, pose)
    pixels[:3] += 60
    first, second = (pose_from_landmarks(points, pixels, VIEW, seed=4) for _ in range(2))
    assert torch.equal(first.pose, second.pose)


def test_the_threshold_can_be_given_in_pixels():
    points, pose = scene(2, 8)
    pixels = VIEW.project(points, pose)
    pixels[0] += 6
    assert not pose_from_landmarks(points, pixels, VIEW, threshold_px=3).inliers[0][0]
    assert pose_from_landmarks(points, pixels, VIEW, threshold_px=30).inliers[0].all()


def test_the_jacobian_is_exact_in_a_view_beside_the_rig():
    points, pose = scene(4, 5)
    side = se3.exp(torch.tensor([0.1, 1.4, 0.1, -650, 20, 600], dtype=torch.float64))
    seen = observe(View(MIRRORED.intrinsics, 700, 600, 1020.0, side), points, torch.zeros(5, 2, dtype=torch.float64))
    center = torch.tensor([3.0, -4.0, 650.0], dtype=torch.float64)
    shift = se3.translation(center)

    def moved(x: torch.Tensor) -> torch.Tensor:
        return residuals(shift @ se3.exp(x) @ se3.inverse(shift) @ pose, seen)

    expected = torch.func.jacfwd(moved)(torch.zeros(6, dtype=torch.float64))
    assert torch.allclose(jacobian(pose, seen, center), expected, rtol=1e-9, atol=1e-9)


def test_landmarks_are_paired_by_name():
    points = {"L4": [1.0, 2, 3], "L5": [4.0, 5, 6], "S1": [7.0, 8, 9]}
    names, found, pixels = match_by_name(points, {"S1": [70.0, 80], "L4": (10.0, 20)})
    assert names == ["L4", "S1"]
    assert found.tolist() == [[1, 2, 3], [7, 8, 9]]
    assert pixels.tolist() == [[10, 20], [70, 80]]


def test_a_name_that_the_ct_lacks_is_refused():
    with pytest.raises(InputError, match=r"Landmarks L6 .* CT, which has L4, L5"):
        match_by_name({"L4": [1.0, 2, 3], "L5": [4.0, 5, 6]}, {"L6": [1.0, 2]})


def test_a_named_landmark_with_a_missing_coordinate_is_refused():
    with pytest.raises(InputError, match="Landmark L4 in the X-ray has 1 coordinates, not 2"):
        match_by_name({"L4": [1.0, 2, 3]}, {"L4": [1.0]})


def test_no_name_in_common_leaves_nothing_to_fit():
    _, points, pixels = match_by_name({"L4": [1.0, 2, 3]}, {})
    with pytest.raises(InputError, match="There are 0 landmarks"):
        pose_from_landmarks(points, pixels, VIEW)


def test_too_few_landmarks_are_refused():
    points, pose = scene(0, 3)
    with pytest.raises(InputError, match="There are 3 landmarks; a pose needs 4"):
        pose_from_landmarks(points, VIEW.project(points, pose), VIEW)


def test_landmarks_on_a_line_are_refused():
    _, pose = scene(0, 4)
    points = ISOCENTER + torch.linspace(-80, 80, 6, dtype=torch.float64)[:, None] * torch.tensor([0.6, 0.0, 0.8])
    with pytest.raises(InputError, match="on a line"):
        pose_from_landmarks(points, VIEW.project(points, pose), VIEW)


def test_one_place_many_times_is_refused():
    points = ISOCENTER.expand(6, 3)
    with pytest.raises(InputError, match="on a line"):
        pose_from_landmarks(points, torch.zeros(6, 2), VIEW)


def four_of_five_together(apart_mm: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Landmarks all over the pelvis, of which the X-ray shows four at nearly one place."""
    points, pose = scene(0, 5)
    pixels = VIEW.project(points, pose)
    offsets = torch.tensor([[0.0, 0.0], [1.0, 0.5], [-0.5, 1.0], [0.3, -1.0]], dtype=torch.float64)
    pixels[:4] = pixels[:1] + apart_mm / 0.5 * offsets
    return points, pixels


@pytest.mark.parametrize("apart_mm", [0.0, 1e-9, 1e-3, 0.4])
def test_landmarks_at_one_place_in_the_xray_are_refused_by_name(apart_mm):
    points, pixels = four_of_five_together(apart_mm)
    with pytest.raises(InputError, match="a, b, c, d lie at one place in the X-ray: is each marked where it is seen"):
        pose_from_landmarks(points, pixels, VIEW, names=["a", "b", "c", "d", "e"])


def test_all_landmarks_at_one_place_in_the_xray_are_refused_by_name():
    points, pose = scene(0, 4)
    with pytest.raises(InputError, match="a, b, c, d lie at one place in the X-ray"):
        pose_from_landmarks(points, VIEW.project(points, pose)[:1].expand(4, 2), VIEW, names=list("abcd"))


@pytest.mark.parametrize("count", [4, 5, 7])
def test_landmarks_all_but_one_on_a_line_give_the_exact_pose(count):
    points, pose = scene(1, count)
    points[:-1] = points[0] + torch.linspace(0, 1, count - 1)[:, None] * torch.tensor([50.0, 20.0, 10.0])
    found = pose_from_landmarks(points, VIEW.project(points, pose), VIEW)
    assert target_error(found.pose, pose, points) < 1e-4


def test_one_landmark_twice_does_not_count_twice():
    points, pose = scene(0, 4)
    points[3] = points[2]
    with pytest.raises(InputError, match="a, b, c, d lie at 3 places in the CT only"):
        pose_from_landmarks(points, VIEW.project(points, pose), VIEW, names=list("abcd"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda p, q: p[1].fill_(1e300), "Landmark b lies at .* mm in the CT"),
        (lambda p, q: p.mul_(1000.0), "more than a patient is long: check their units|where no patient is"),
        (lambda p, q: q[2].fill_(1e200), "Landmark c lies at column 1e[+]200"),
        (lambda p, q: q[2].fill_(-1200.0), "further outside of the X-ray's 600 × 700 pixels"),
    ],
)
def test_coordinates_that_no_patient_or_xray_has_are_refused_by_name(change, words):
    points, pose = scene(0, 5)
    pixels = VIEW.project(points, pose)
    change(points, pixels)
    with pytest.raises(InputError, match=words):
        pose_from_landmarks(points, pixels, VIEW, names=list("abcde"))


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 10**6),
    st.integers(4, 7),
    st.sampled_from(["one place", "cluster", "line", "twice", "plane", "anything", "behind", "unfinished"]),
    st.floats(-12, 1),
)
def test_whatever_the_landmarks_there_is_a_pose_that_explains_them_or_an_error(seed, count, kind, exponent):
    points, pose = scene(seed, count)
    pixels = VIEW.project(points, pose)
    noise = 10**exponent * torch.randn(count, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    if kind == "one place":
        pixels = pixels[:1] + noise[:, :2]
    elif kind == "cluster":
        points[1:] = points[1] + noise[1:]
    elif kind == "line":
        points = points[:1] + torch.linspace(0, 90, count)[:, None] * torch.tensor([0.6, 0.0, 0.8]) + noise
    elif kind == "twice":
        points[1], pixels[1] = points[0], pixels[0] + noise[0, :2]
    elif kind == "plane":
        points[:, seed % 3] = points[0, seed % 3]
    elif kind == "anything":
        pixels = 600 * torch.rand(count, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    elif kind == "behind":
        pixels = VIEW.project(points, se3.translation(torch.tensor([0.0, 0.0, -1400.0], dtype=torch.float64)) @ pose)
    else:
        pixels[seed % count, 0] = torch.inf
    names = [f"L{index}" for index in range(count)]
    found = None
    with contextlib.suppress(InputError):
        found = pose_from_landmarks(points, pixels, VIEW, names=names)
    if found is None:
        with pytest.raises(InputError, match=r"[Ll]andmarks? \(?L\d"):
            pose_from_landmarks(points, pixels, VIEW, names=names)
        return
    assert is_rigid(found.pose)
    assert found.inliers[0].sum() >= 4
    assert found.residuals_mm[0][found.inliers[0]].max() < 5
    depth = se3.transform_points(found.pose, points)[found.inliers[0], 2]
    assert ((depth > 0) & (depth < 2 * VIEW.sdd)).all()


def test_unequal_counts_are_refused():
    points, pose = scene(0, 6)
    with pytest.raises(InputError, match="6 landmarks in the CT but 5 in the X-ray"):
        pose_from_landmarks(points, VIEW.project(points, pose)[:5], VIEW)


def test_a_landmark_that_is_not_finite_is_refused_by_its_number():
    points, pose = scene(0, 6)
    pixels = VIEW.project(points, pose)
    pixels[4, 1] = torch.nan
    with pytest.raises(InputError, match="Landmark 4 is not finite"):
        pose_from_landmarks(points, pixels, VIEW)
    with pytest.raises(InputError, match="Landmark ASIS is not finite"):
        pose_from_landmarks(points, pixels, VIEW, names=["a", "b", "c", "d", "ASIS", "f"])


def test_wrong_shapes_and_counts_of_views_are_refused():
    points, pose = scene(0, 6)
    pixels = VIEW.project(points, pose)
    with pytest.raises(InputError, match=r"points \(N, 3\) and pixels \(N, 2\)"):
        pose_from_landmarks(pixels, points, VIEW)
    with pytest.raises(InputError, match="2 views, 1 sets of points"):
        pose_from_landmarks([points], [pixels], [VIEW, VIEW])


def test_a_threshold_of_zero_is_refused():
    points, pose = scene(0, 6)
    with pytest.raises(InputError, match="threshold"):
        pose_from_landmarks(points, VIEW.project(points, pose), VIEW, threshold_mm=0)


def test_landmarks_that_no_pose_explains_are_refused_with_a_hint():
    points, _ = scene(0, 8)
    pixels = torch.rand(8, 2, generator=torch.Generator().manual_seed(3), dtype=torch.float64) * 600
    with pytest.raises(InputError, match="mirrored"):
        pose_from_landmarks(points, pixels, VIEW, threshold_mm=0.5)


def test_an_image_read_with_the_wrong_mirroring_is_noticed():
    points, pose = scene(0, 10)
    with pytest.raises(InputError, match="mirrored"):
        pose_from_landmarks(points, MIRRORED.project(points, pose), VIEW, threshold_mm=1.0)
