"""Costs over a grid of poses against the same costs, one pose at a time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from SphericalRegLib.errors import GeometryError, InputError
from SphericalRegLib.geometry import se3, so4
from SphericalRegLib.landscape import (
    DISTANCES,
    PARAMETERS,
    Axis,
    ImageCosts,
    PoseDistances,
    PoseGrid,
    Survey,
    image_costs,
)
from SphericalRegLib.optimization.objective import FixedView, Objective
from SphericalRegLib.registration import Look
from SphericalRegLib.registration.judging.verdict import condition_number
from SphericalRegLib.registration.looks import looks_by_name
from SphericalRegLib.rendering import render
from SphericalRegLib.similarity import NCC, SIMILARITIES, GradientNCC
from Testing.Python.landscape.scenes import blobs, mirrored_view, pose_before, xray_at

VOLUME, VIEW = blobs(), mirrored_view()
POSE = pose_before(VIEW, VOLUME)
XRAY = xray_at(VOLUME, VIEW, POSE)


def grid(first=Axis("rx", 0.3, 5), second=Axis("tz", 60.0, 4), pose=POSE) -> PoseGrid:  # noqa: B008
    return PoseGrid(first, second, pose, VOLUME.center, VIEW.camera_from_rig)


def looks(similarities, size=40, **options):
    return {name: Look(similarity, size, **options) for name, similarity in similarities.items()}


def costs(pose=POSE, similarities=None, footprint_mm=None) -> ImageCosts:
    if similarities is None:
        chosen = looks_by_name(list(SIMILARITIES), 40, footprint_mm=footprint_mm)
    else:
        chosen = looks(similarities, footprint_mm=footprint_mm)
    (group,) = image_costs(VOLUME, [XRAY], pose, chosen)
    return group


def surveyed(survey: Survey):
    for _ in survey:
        pass
    return survey.landscape()


@pytest.mark.parametrize("n", range(6))
def test_each_parameter_moves_the_pose_along_its_own_camera_axis_about_the_isocenter(n):
    name = list(PARAMETERS)[n]
    other = "ty" if name != "ty" else "rz"
    poses = grid(Axis(name, 0.4, 3), Axis(other, 7.0, 5)).poses().unflatten(0, (3, 5))
    twist = torch.zeros(6, dtype=torch.float64)
    twist[n] = 0.4
    camera = se3.about(twist, VIEW.camera_from_world(POSE), VOLUME.center)
    torch.testing.assert_close(VIEW.camera_from_world(poses[2, 2]), camera)
    torch.testing.assert_close(poses[1, 2], POSE)


def test_a_shift_along_x_moves_the_isocenter_along_camera_x():
    poses = grid(Axis("tx", 10.0, 3), Axis("ry", 0.5, 3)).poses().unflatten(0, (3, 3))
    before, after = (
        se3.transform_points(VIEW.camera_from_world(p), VOLUME.center[None])[0] for p in (POSE, poses[2, 1])
    )
    torch.testing.assert_close(after - before, torch.tensor([10.0, 0.0, 0.0]).double())


def test_rows_belong_to_the_first_parameter_and_columns_to_the_second():
    axes = Axis("ty", 20.0, 3), Axis("rz", 0.6, 5)
    twists = grid(*axes).twists().unflatten(0, (3, 5))
    np.testing.assert_allclose(twists[:, :, 4], np.tile(axes[0].values[:, None], (1, 5)))
    np.testing.assert_allclose(twists[:, :, 2], np.tile(axes[1].values, (3, 1)))
    np.testing.assert_allclose(axes[0].values, [-20, 0, 20])
    np.testing.assert_allclose(axes[1].values, [-0.6, -0.3, 0, 0.3, 0.6])


@pytest.mark.parametrize("footprint_mm", [None, 4.0])
def test_every_value_is_that_of_the_objective_at_this_pose(footprint_mm):
    both = costs(footprint_mm=footprint_mm)
    found = surveyed(Survey(grid(), [both]))
    assert found.names == tuple(SIMILARITIES)
    assert found.values.shape == (len(SIMILARITIES), 5, 4)
    for i, j in ((0, 3), (2, 1), (4, 0)):
        twist = torch.zeros(6, dtype=torch.float64)
        twist[0], twist[5] = [-0.3, -0.15, 0.0, 0.15, 0.3][i], [-60.0, -20.0, 20.0, 60.0][j]
        camera = se3.about(twist, VIEW.camera_from_world(POSE), VOLUME.center)
        pose = se3.inverse(VIEW.camera_from_rig) @ camera
        direct = [float(o.linearize(o.state(pose[None])).cost) for o in both.objectives.values()]
        np.testing.assert_allclose(found.values[:, i, j], direct, rtol=1e-4)


def test_a_value_is_that_of_render_and_similarity_alone():
    at_full_size = costs(similarities={"gradient": GradientNCC()})
    samples = at_full_size.objectives["gradient"].samples
    found = surveyed(Survey(grid(), [at_full_size])).values[0]
    fixed = GradientNCC().fix(torch.from_numpy(XRAY.image), torch.from_numpy(XRAY.mask))
    volume = at_full_size.objectives["gradient"].volume
    pose = grid().poses()[7:8]
    image = render(volume, VIEW, pose, samples=samples)[:, 0]
    cost = fixed.compare(image, torch.zeros(1, 0, *image.shape[1:]), fixed.support[None]).cost
    assert found[1, 3] == pytest.approx(float(cost), rel=1e-4)


def test_the_middle_of_an_odd_grid_is_the_pose_and_the_best_of_all():
    found = surveyed(Survey(grid(Axis("ry", 0.4, 5), Axis("tx", 15.0, 7)), [costs()]))
    for values in found.values:
        assert np.unravel_index(values.argmin(), values.shape) == (2, 3)


def test_a_similarity_with_a_volume_network_sees_its_own_ct_and_the_others_theirs():
    def thinner(volume):
        made = volume.density.clone()
        made[..., : made.shape[-1] // 2] *= 0.3
        return replace(volume, density=made)

    poses = grid().poses()
    both_looks = looks({"a": NCC()}) | looks({"b": NCC()}, adapt=thinner)
    (both,) = image_costs(VOLUME, [XRAY], POSE, both_looks)
    (alone,) = image_costs(thinner(VOLUME), [XRAY], POSE, looks({"b": NCC()}))
    first, second = both.evaluate(poses)
    torch.testing.assert_close(first, costs(similarities={"a": NCC()}).evaluate(poses)[0])
    torch.testing.assert_close(second, alone.evaluate(poses)[0])
    assert float((first - second).abs().max()) > 0.01


def test_several_views_count_alike():
    turned = se3.about(torch.tensor([0.1, 0.8, 0, 5, 0, 0]).double(), VIEW.camera_from_world(POSE), VOLUME.center)
    second = replace(VIEW, camera_from_rig=turned @ se3.inverse(POSE))
    xrays = [XRAY, xray_at(VOLUME, second, POSE)]
    (together,) = image_costs(VOLUME, xrays, POSE, looks({"ncc": NCC()}))
    both = together.objectives["ncc"]
    apart = [ImageCosts({"ncc": replace(both, views=[view])}).evaluate(grid().poses()) for view in both.views]
    assert (apart[0] - apart[1]).abs().max() > 0.01
    torch.testing.assert_close(together.evaluate(grid().poses()), (apart[0] + apart[1]) / 2)


def test_the_size_of_batches_changes_no_value():
    whole = surveyed(Survey(grid(), [costs()], batch=100)).values
    for batch in (1, 3, 7):
        np.testing.assert_allclose(surveyed(Survey(grid(), [costs()], batch=batch)).values, whole, rtol=1e-4, atol=1e-6)


def test_batches_are_smaller_where_images_are_larger():
    class Wide:
        names, pixels = ("wide",), 2**17
        seen: list[int] = []  # noqa: RUF012

        def evaluate(self, poses):
            self.seen.append(len(poses))
            return torch.zeros(1, len(poses), dtype=torch.float64)

        def conditions(self, pose):
            return [None]

    surveyed(Survey(grid(), [Wide()]))
    assert Wide.seen == [4, 4, 4, 4, 4]


def test_a_survey_can_be_left_after_any_batch_and_has_then_no_landscape():
    survey = Survey(grid(), [costs()], batch=6)
    steps = []
    for progress in survey:
        steps.append((progress.done, progress.total))
        if progress.done >= 12:
            break
    assert steps == [(6, 20), (12, 20)]
    with pytest.raises(InputError, match="not finished"):
        survey.landscape()
    assert [progress.done for progress in survey] == [6, 12, 18, 20]
    assert survey.landscape().values.shape == (len(SIMILARITIES), 5, 4)


def test_poses_out_of_the_beam_have_no_value_and_the_others_keep_theirs():
    found = surveyed(Survey(grid(Axis("tx", 400.0, 5), Axis("rz", 0.2, 3)), [costs()]))
    assert np.isnan(found.values[:, [0, 4]]).all()
    assert np.isfinite(found.values[:, 2]).all()
    # of the mutual information of so small a picture the curvature need not be positive
    assert not np.isnan(found.conditions).any()
    squares = [name for name in SIMILARITIES if name != "mutual-information"]
    assert np.isfinite([found.conditions[found.names.index(name)] for name in squares]).all()


def test_a_ct_behind_the_source_or_before_pixels_that_are_not_usable_has_no_value():
    behind = se3.about(torch.tensor([0.0, 0, 0, 0, 0, -1500]).double(), VIEW.camera_from_world(POSE), VOLUME.center)
    pose = se3.inverse(VIEW.camera_from_rig) @ behind
    assert torch.isnan(costs().evaluate(pose[None])).all()
    assert costs().conditions(pose) == [None] * len(SIMILARITIES)
    # only the part of the X-ray that the CT does not reach is usable
    mask = np.zeros_like(XRAY.mask)
    mask[:4, -5:] = True
    shown = render(VOLUME, VIEW, POSE[None], samples=64)[0, 0].numpy()
    masked = replace(XRAY, mask=mask, image=np.where(mask, np.arange(40)[None], shown).astype(np.float32))
    assert (shown[mask] == 0).all()
    (unseen,) = image_costs(VOLUME, [masked], POSE, looks({"ncc": NCC()}))
    assert torch.isnan(unseen.evaluate(POSE[None])).all()


def test_a_landscape_without_any_value_is_an_error():
    away = se3.translation(torch.tensor([3000.0, 0, 0]).double()) @ POSE
    survey = Survey(grid(pose=away), [costs(), PoseDistances(("se3",), POSE, VIEW, VOLUME.center)])
    with pytest.raises(
        GeometryError, match=rf"landscape of {next(iter(SIMILARITIES))} is empty: at none of its 20 poses"
    ):
        surveyed(survey)


def test_the_condition_number_is_that_of_the_six_parameters_in_registration():
    both = costs()
    found = surveyed(Survey(grid(), [both, PoseDistances(("so4",), POSE, VIEW, VOLUME.center)]))
    objective = both.objectives["tone-free"]
    hessian = objective.linearize(objective.state(POSE[None])).curvature[0].numpy()
    scale = np.array([1 / objective.length] * 3 + [1] * 3)
    condition = found.conditions[found.names.index("tone-free")]
    assert condition == pytest.approx(np.linalg.cond(hessian * scale * scale[:, None]), rel=1e-3)
    assert condition == pytest.approx(condition_number(torch.from_numpy(hessian), objective.length))
    assert np.isnan(found.conditions[found.names.index("so4")])


def test_distances_are_those_of_so4_in_the_camera():
    distances = PoseDistances(DISTANCES, POSE, VIEW, VOLUME.center, length=80.0)
    found = surveyed(Survey(grid(Axis("ry", 0.4, 3), Axis("ty", 30.0, 5)), [distances]))
    se, so, projected = found.values
    assert found.values[:, 1, 2] == pytest.approx(0.0, abs=1e-12)
    # a rotation alone, a shift alone
    assert se[2, 2] == pytest.approx(0.4)
    assert se[1, 4] == pytest.approx(30 / 80)
    assert so[2, 2] == pytest.approx(np.sqrt(8) * np.sin(0.2))
    assert so[1, 4] == pytest.approx(30 / (np.sqrt(2) * VIEW.sdd), rel=1e-6)
    camera = [VIEW.camera_from_world(p) for p in (grid(Axis("ry", 0.4, 3), Axis("ty", 30.0, 5)).poses()[14], POSE)]
    origin = se3.transform_points(camera[1], VOLUME.center[None])[0]
    expected = so4.distance_so4(*camera, VIEW.sdd, True, VOLUME.center, origin)
    assert projected[2, 4] == pytest.approx(float(expected))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Axis("roll", 1.0, 5), r"no pose parameter 'roll': choose two of rx, ry"),
        (lambda: Axis("rx", 1.0, 1), r"steps of rx is 1: give at least 3"),
        (lambda: Axis("rx", 0.0, 5), r"extent of rx is 0\.0 rad"),
        (lambda: Axis("tz", -40.0, 5), r"extent of tz is -40\.0 mm"),
        (lambda: Axis("tz", float("nan"), 5), r"extent of tz is nan mm"),
        (lambda: Axis("tz", float("inf"), 5), r"extent of tz is inf mm"),
        (lambda: grid(Axis("rx", 1.0, 5), Axis("rx", 0.5, 3)), r"not rx twice"),
        (lambda: grid(pose=2 * POSE), r"not a rigid 4×4 matrix"),
        (lambda: Survey(grid(), []), r"no cost to compute"),
        (lambda: Survey(grid(), [costs(), costs()]), r"gradient-ncc.* computed twice"),
        (lambda: Survey(grid(), [costs()], batch=0), r"batch is 0 poses"),
        (lambda: image_costs(VOLUME, [XRAY], POSE, {}), r"no similarity"),
        (lambda: ImageCosts({}), r"no similarity"),
        (lambda: image_costs(VOLUME, [], POSE, looks({"ncc": NCC()})), r"no X-ray"),
        (lambda: looks_by_name(["ncc"], 4), r"size is 4 pixels"),
        (lambda: looks_by_name(["SSIM"]), r"no similarity 'SSIM': choose among .*, learned"),
        (lambda: PoseDistances(("se3", "so5"), POSE, VIEW, VOLUME.center), r"no pose distance 'so5'"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_makes_no_landscape_is_named(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_similarities_at_different_resolutions_are_not_mixed():
    both = image_costs(VOLUME, [XRAY], POSE, looks({"ncc": NCC()}) | looks({"coarse": NCC()}, size=20))
    fine, coarse = both[0].objectives["ncc"], both[1].objectives
    with pytest.raises(InputError, match=r"'b' has another volume, resolution or view"):
        ImageCosts({"a": fine, "b": coarse["coarse"]})
    other = Objective(fine.volume, [FixedView(replace(VIEW, sdd=999.0), fine.views[0].fixed)], fine.samples)
    moved = replace(other.views[0], view=VIEW.cropped(0, 1, VIEW.height, VIEW.width))
    with pytest.raises(InputError, match=r"'b' has another"):
        ImageCosts({"a": fine, "b": replace(other, views=[moved])})
