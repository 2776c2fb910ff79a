"""The engine's jobs on the shipped sample, run by the controller as the panel runs them."""

import math
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest
import torch

from SphericalRegLib.app import Cancelled, Controller, Finished, Progressed
from SphericalRegLib.app.jobs.landscape_job import axis, display_axis, landscape_by_name
from SphericalRegLib.app.jobs.landscape_study_job import LandscapeStudyJob
from SphericalRegLib.app.jobs.registration_job import Inputs, RegistrationJob
from SphericalRegLib.app.panel.cases import case_for
from SphericalRegLib.app.panel.geometry_fields import fields_from_dicom, nominal, view_of
from SphericalRegLib.app.panel.live_drr import LiveDRR
from SphericalRegLib.app.panel.methods import (
    LEARNED_FIRST,
    LEVELS,
    METHODS,
    Advanced,
    optimizer_choices,
    similarity_choices,
    system_for,
)
from SphericalRegLib.errors import CheckpointError, InputError
from SphericalRegLib.evaluation.simulated import simulated_cases
from SphericalRegLib.evaluation.suites import SUITES
from SphericalRegLib.geometry import se3
from SphericalRegLib.imaging.fingerprint import fingerprint
from SphericalRegLib.imaging.volume import to_volume
from SphericalRegLib.initialization import starts_of
from SphericalRegLib.io.ct import read_ct
from SphericalRegLib.io.pose_file import read_pose
from SphericalRegLib.io.xray import read_xray
from SphericalRegLib.landscape import image_costs
from SphericalRegLib.networks.encoder import Encoder
from SphericalRegLib.networks.model import Model, ModelCard, load_model
from SphericalRegLib.networks.volume_network import volume_network
from SphericalRegLib.registration import SYSTEMS, Case, Conditions
from SphericalRegLib.registration.looks import looks_by_name
from SphericalRegLib.registration.system import learned_stage
from SphericalRegLib.rendering import render
from SphericalRegLib.sample import sample_path
from SphericalRegLib.similarity.table import LEARNED
from Testing.Python.app.doubles import Diary, HandTurned

RANGE = {"rotation_deg": 20.0, "in_plane_mm": 40.0, "depth_mm": 80.0}


@pytest.fixture(scope="module")
def a_scan():
    name = "pelvis_lumbar_3mm"
    return read_ct(
        sample_path(f"{name}.nii.gz"), sample_path(f"{name}_labels.nii.gz"), sample_path(f"{name}_labels.json")
    )


@pytest.fixture(scope="module")
def a_volume(a_scan):
    return to_volume(a_scan)


@pytest.fixture(scope="module")
def an_xray():
    return read_xray(sample_path("pelvis_lumbar_3mm_ap.dcm"))


@pytest.fixture(scope="module")
def the_truth():
    return read_pose(sample_path("pelvis_lumbar_3mm_ap_truth.json"))


@pytest.fixture(scope="module")
def landmarks(a_scan):
    """Label centers in the CT, {name: world mm}."""
    points = {}
    for number, name in list(a_scan.label_names.items())[:8]:
        k, j, i = (float(n.mean()) for n in np.nonzero(a_scan.labels == number))
        points[name] = (a_scan.world_from_voxel @ np.array([i, j, k, 1.0]))[:3]
    return points


def seen_in(xray, points, pose):
    pixels = xray.view.project(torch.tensor(np.array(list(points.values()))), pose[None])[0]
    return {name: pixel.tolist() for name, pixel in zip(points, pixels, strict=True)}


def moved(pose, center, degrees, mm):
    twist = torch.tensor([math.radians(d) for d in degrees] + list(mm), dtype=torch.float64)
    return se3.about(twist, pose, center)


def run(engine):
    scheduler, diary = HandTurned(), Diary()
    controller = Controller(scheduler)
    controller.events.connect(diary)
    controller.start(engine)
    scheduler.run_out(5000)
    assert diary.of(Finished), diary.words[-3:]
    return diary.of(Finished)[0].result, diary


class TestRegistering:
    @pytest.mark.parametrize("method", METHODS)
    def test_the_sample_is_accepted_by_every_method(self, a_scan, a_volume, an_xray, the_truth, landmarks, method):
        near = moved(the_truth, a_volume.center, (3.0, -2.0, 3.0), (6.0, -5.0, 10.0))
        case = case_for(
            method, a_volume, [an_xray], current=near, points=landmarks, pixels=[seen_in(an_xray, landmarks, the_truth)]
        )
        inputs = Inputs(a_scan, case, system_for(method), truth=the_truth)
        result, diary = run(lambda: RegistrationJob(inputs))
        assert result.outcome.result.verdict.accepted, result.outcome.result.verdict.reasons
        assert result.outcome.errors["mtre_mm"] < 1.0
        assert result.drrs[0].shape == result.bones[0].shape == an_xray.image.shape
        assert 0 < result.bones[0].max() < result.drrs[0].max()
        step = diary.of(Progressed)[-1].step
        assert step.level == step.levels - 1 == len(system_for("automatic").stages) - 1

    def test_errors_are_told_at_given_points(self, a_scan, a_volume, an_xray, the_truth, landmarks):
        points = torch.tensor(np.array(list(landmarks.values())))
        case = Case(a_volume, [an_xray], poses=the_truth)
        inputs = Inputs(a_scan, case, system_for("current pose"), truth=the_truth, points=points)
        result, _ = run(lambda: RegistrationJob(inputs))
        found = se3.transform_points(result.outcome.result.pose, points)
        apart = (found - se3.transform_points(the_truth, points)).norm(dim=-1).mean()
        assert result.outcome.errors["mtre_mm"] == pytest.approx(float(apart), abs=1e-6)

    def test_a_run_stopped_in_the_middle_has_no_result(self, a_scan, a_volume, an_xray):
        inputs = Inputs(a_scan, case_for("automatic", a_volume, [an_xray]), system_for("automatic"))
        scheduler, diary = HandTurned(), Diary()
        controller = Controller(scheduler)
        controller.events.connect(diary)
        controller.start(lambda: RegistrationJob(inputs))
        scheduler.turn(4)
        controller.cancel()
        scheduler.run_out()
        assert diary.of(Finished) == []
        assert diary.of(Cancelled)[0].count == 3


@pytest.mark.skipif(find_spec("timm") is None, reason="timm comes with the extra 'learned'")
class TestBonesWithModel:
    @pytest.fixture(scope="class")
    def inputs(self, a_scan, a_volume, an_xray, the_truth):
        model = load_model(sample_path("pelvis_lumbar_3mm_model.safetensors"))
        bone = to_volume(a_scan, labels=["sacrum"])
        case = case_for("automatic", bone, [an_xray], whole=a_volume, model=model)
        return Inputs(a_scan, case, system_for("automatic", bones=True, model=True), bones=["sacrum"], truth=the_truth)

    def test_the_whole_ct_comes_first_and_is_told_step_by_step_as_the_bones_are(self, inputs):
        result, diary = run(lambda: RegistrationJob(inputs))
        stages = list(dict.fromkeys(event.step.stage for event in diary.of(Progressed)))
        assert stages[0].startswith("whole CT: ")
        whole = [stage for stage in stages if stage.startswith("whole CT: ")]
        bones = stages[len(whole) :]
        assert bones
        assert not any(stage.startswith("whole CT: ") for stage in bones)
        for event in diary.of(Progressed):
            assert 0 <= event.step.level < event.step.levels
        assert result.outcome.system.name == "bones-model"

    @pytest.mark.parametrize("part", ["whole CT", "bones"])
    def test_it_stops_before_the_next_step_within_either(self, inputs, part):
        scheduler, diary = HandTurned(), Diary()
        controller = Controller(scheduler)
        controller.events.connect(diary)

        def stop(event):
            if isinstance(event, Progressed) and event.step.stage.startswith("whole CT: ") == (part == "whole CT"):
                controller.cancel()

        controller.events.connect(stop)
        controller.start(lambda: RegistrationJob(inputs))
        scheduler.run_out(5000)
        assert diary.of(Finished) == []
        (cancelled,) = diary.of(Cancelled)
        assert cancelled.count == len(diary.of(Progressed))
        assert (cancelled.count == 1) == (part == "whole CT")


class TestMethods:
    @pytest.mark.parametrize("bones", [False, True])
    def test_reach_grows_from_the_current_pose_to_the_search(self, bones, a_volume, an_xray, the_truth, landmarks):
        marks = {"points": landmarks, "pixels": [seen_in(an_xray, landmarks, the_truth)]}
        starts = [
            starts_of(
                system_for(method, bones).initializer,
                case_for(method, a_volume, [an_xray], current=the_truth, **marks),
            )
            for method in ("current pose", "landmarks", "automatic", "search")
        ]
        for attribute in ("rotation_deg", "in_plane_mm", "depth_mm"):
            reach = [getattr(one.reach, attribute) for one in starts]
            assert reach == sorted(reach)
        assert [one.candidates for one in starts] == sorted(one.candidates for one in starts)

    @pytest.mark.parametrize("bones", [False, True])
    @pytest.mark.parametrize("model", [False, True])
    def test_automatic_is_what_the_command_line_does(self, bones, model):
        from SphericalRegLib.cli.reading.system_choice import chosen_system

        assert system_for("automatic", bones, model) is chosen_system(None, bones=bones, model=model)

    @pytest.mark.parametrize("bones", [False, True])
    @pytest.mark.parametrize("method", METHODS)
    def test_every_method_is_a_row_of_the_table(self, method, bones):
        assert system_for(method, bones) in SYSTEMS.values()

    @pytest.mark.parametrize("name", similarity_choices())
    def test_every_similarity_can_be_chosen_for_the_last_stage_only(self, name):
        system, default = system_for("automatic", advanced=Advanced(similarity=name)), system_for("automatic")
        assert system.judge == default.judge
        if name == LEARNED_FIRST:
            assert system == default.learned_first()
            return
        assert system.stages[:-1] == default.stages[:-1]
        similarities = [one.stages[-1].look.similarity for one in (system, default)]
        assert (similarities[0] == similarities[1]) == (name in ("default", "tone-free"))

    @pytest.mark.parametrize("name", optimizer_choices())
    @pytest.mark.parametrize("level", LEVELS)
    def test_every_optimizer_and_level_can_be_chosen_with_a_number_of_iterations(self, name, level):
        last = system_for("automatic", advanced=Advanced(optimizer=name, levels=level, iterations=7)).stages[-1]
        counted = last.optimizer.evaluations if name == "bobyqa" else last.optimizer.iterations
        assert counted == 7
        assert last.look.size == {"default": 160, "fast": 96, "fine": 256}[level]

    @pytest.mark.parametrize(
        ("method", "advanced", "words"),
        [
            ("magic", Advanced(), "no method 'magic'"),
            ("search", Advanced(similarity="SSIM"), "no similarity 'SSIM'"),
            ("search", Advanced(optimizer="Newton"), "no optimizer 'Newton'"),
            ("search", Advanced(levels="all"), "no levels 'all'"),
            ("search", Advanced(iterations=-1), "iterations is -1"),
        ],
    )
    def test_unknown_names_are_errors_that_list_the_known_ones(self, method, advanced, words):
        with pytest.raises(InputError, match=words):
            system_for(method, advanced=advanced)


def test_what_the_user_needs_becomes_conditions():
    chosen = Advanced(seed=3, tolerance_mm=2.0, tolerance_deg=0.5, simulated_uncertainty=True)
    assert chosen.conditions == Conditions("auto", 3, 2.0, 0.5, "simulated")
    assert Advanced().conditions == Conditions()


def started(method, volume, xrays, **options):
    """(poses, origin) of a method."""
    starts = starts_of(system_for(method).initializer, case_for(method, volume, xrays, **options))
    return starts.poses, starts.origin


class TestStarts:
    def test_a_preset_overrules_the_angles_of_the_header(self, a_volume, an_xray):
        header, words = started("automatic", a_volume, [an_xray])
        lateral, other = started("automatic", a_volume, [an_xray], preset="left lateral")
        assert not torch.allclose(header, lateral)
        assert "180°" in words
        assert "left lateral" in other

    def test_typed_fields_are_as_good_as_the_header(self, a_volume, an_xray):
        import dataclasses

        import pydicom

        fields, _ = fields_from_dicom(pydicom.dcmread(sample_path("pelvis_lumbar_3mm_ap.dcm")))
        view = view_of(fields, an_xray.image.shape, "AP")
        typed = dataclasses.replace(an_xray, view=view, geometry=nominal(fields, view))
        header, _ = started("search", a_volume, [an_xray])
        made, _ = started("search", a_volume, [typed], preset="angles")
        assert torch.allclose(header, made, atol=1e-9)

    def test_without_angles_both_frontal_views_are_tried(self, a_volume, an_xray):
        import dataclasses

        starts, words = started("automatic", a_volume, [dataclasses.replace(an_xray, geometry=None)])
        assert starts.shape == (2, 4, 4)
        assert "AP and PA" in words

    def test_landmarks_give_the_pose_and_name_those_that_do_not_fit(self, a_volume, an_xray, the_truth, landmarks):
        pixels = seen_in(an_xray, landmarks, the_truth)
        wrong = next(iter(pixels))
        pixels[wrong] = [pixels[wrong][0] + 90.0, pixels[wrong][1]]
        starts, words = started("landmarks", a_volume, [an_xray], points=landmarks, pixels=[pixels])
        assert torch.allclose(starts[0], the_truth, atol=1e-3)
        assert f"without {wrong}" in words

    @pytest.mark.parametrize(
        ("method", "options", "words"),
        [
            ("current pose", {}, "no current pose: choose a pose transform"),
            ("landmarks", {}, "no landmarks in the CT: place at least 4"),
            ("landmarks", {"points": {"L1": (0, 0, 0)}, "pixels": [{}]}, "no landmarks in the X-ray"),
            ("search", {"preset": "oblique"}, "no preset view 'oblique'"),
        ],
    )
    def test_what_is_missing_is_said_with_its_remedy(self, a_volume, an_xray, method, options, words):
        with pytest.raises(InputError, match=words):
            started(method, a_volume, [an_xray], **options)


class TestLive:
    def test_a_live_drr_is_the_drr_of_the_whole_detector_with_fewer_pixels(self, a_volume, an_xray, the_truth):
        live = LiveDRR(a_volume, [an_xray.view], size=128)
        (image,), (bones,) = live.render(the_truth), live.render_bones(the_truth)
        assert (bones <= image + 1e-5).all()
        assert bones.max() > 0
        assert image.shape == (128, 128)
        exact = render(a_volume, an_xray.view.resized(128, 128), the_truth[None], samples=512)[0].sum(0).numpy()
        assert np.abs(image - exact).max() < 0.05 * exact.max()

    def test_small_and_oblong_views_keep_their_shape(self, a_volume, the_truth):
        from SphericalRegLib.geometry.view import View

        wide, tiny = View.from_spacing(100, 400, 1200.0, (1.0, 1.0)), View.from_spacing(20, 30, 1200.0, (9.0, 9.0))
        images = LiveDRR(a_volume, [wide, tiny], size=200).render(the_truth)
        assert [image.shape for image in images] == [(50, 200), (20, 30)]


class TestLandscapes:
    def test_one_is_computed_in_steps_and_is_lowest_near_the_truth(self, a_volume, an_xray, the_truth):
        axes = axis("tx", 20.0, 9), axis("rz", 8.0, 5)
        names = ["gradient-ncc", "tone-free"]
        result, diary = run(lambda: landscape_by_name(a_volume, [an_xray], the_truth, *axes, names, size=48))
        assert result.values.shape == (2, 9, 5)
        assert diary.of(Progressed)[-1].step.done == 45
        assert result.second.extent == pytest.approx(math.radians(8.0))
        name, unit, degrees = display_axis(result.second)
        assert (unit, degrees.tolist()) == ("°", pytest.approx([-8.0, -4.0, 0.0, 4.0, 8.0]))
        assert display_axis(result.first)[1] == "mm"
        assert "beam" in name
        for values in result.values:
            assert np.unravel_index(values.argmin(), values.shape) == (4, 2)

    def test_the_learned_similarity_is_the_models_own(self, a_volume, an_xray, the_truth, tmp_path):
        torch.manual_seed(0)
        encoder, network = Encoder(4, 16, 1), volume_network("plain", radius=40.0)
        with torch.no_grad():
            network.last.fill_(0.05)
        view = an_xray.view
        card = ModelCard(
            "mine", "2026-01-01", "0.1", view.intrinsics.tolist(), view.height, view.width, view.sdd, 700.0,
            torch.eye(4).tolist(), RANGE, RANGE, fingerprint=fingerprint(a_volume),
        )  # fmt: skip
        model = Model(card, moving=encoder, fixed=encoder, volume_network=network)
        model.save(tmp_path / "m.safetensors")
        axes = axis("tx", 20.0, 3), axis("rz", 8.0, 3)

        def job(volume=a_volume, path=tmp_path / "m.safetensors", names=("ncc", LEARNED)):
            return landscape_by_name(volume, [an_xray], the_truth, *axes, names, size=48, model=path)

        result, _diary = run(job)
        assert result.names == ("ncc", LEARNED)
        look = replace(learned_stage().look.of(model), size=48)
        assert look.adapt is network
        (own,) = image_costs(a_volume, [an_xray], the_truth, {"a": look})
        # weights are kept in 16 bits
        assert result.values[1, 1, 1] == pytest.approx(float(own.evaluate(the_truth[None])), rel=0.05)
        with pytest.raises(InputError, match="needs a trained model: choose one"):
            job(path=None)
        with pytest.raises(CheckpointError, match="trained for another CT"):
            job(volume=replace(a_volume, density=a_volume.density.flip(2)))

    def test_those_of_several_x_rays_are_one_job_that_stops_between_poses(self, a_scan):
        made = simulated_cases(a_scan, SUITES["capture"], 2, 0)
        axes = axis("tx", 20.0, 3), axis("rz", 8.0, 3)
        looks = looks_by_name(["ncc"], 32)

        def job():
            return LandscapeStudyJob(made, *axes, looks, ["se3"])

        result, diary = run(job)
        steps = [event.step for event in diary.of(Progressed)]
        assert (steps[0].total, steps[-1].done, len(job())) == (18, 18, 18)
        assert list(result.costs) == ["ncc", "se3"]
        assert result.first.pose.tolist() == made.cases[0].truth.tolist()
        stopped = job()
        next(iter(stopped))
        with pytest.raises(InputError, match="not finished"):
            stopped.result()

    def test_bones_are_compared_near_their_own_drr_only(self, a_scan, an_xray, the_truth):
        bone = to_volume(a_scan, labels=["vertebrae_L3"])
        axes = axis("tx", 20.0, 3), axis("rz", 8.0, 3)
        whole, near = (
            run(lambda only=only: landscape_by_name(bone, [an_xray], the_truth, *axes, ["ncc"], size=48, bones=only))[0]
            for only in (False, True)
        )
        assert near.values[0, 1, 1] < whole.values[0, 1, 1] - 0.1

    @pytest.mark.parametrize(
        ("names", "first", "words"),
        [(["SSIM"], "tx", "no similarity 'SSIM'"), ([], "tx", "at least one"), (["ncc"], "ty", "two different")],
    )
    def test_impossible_ones_are_errors(self, a_volume, an_xray, the_truth, names, first, words):
        with pytest.raises(InputError, match=words):
            landscape_by_name(a_volume, [an_xray], the_truth, axis(first, 20.0, 5), axis("ty", 20.0, 5), names)
