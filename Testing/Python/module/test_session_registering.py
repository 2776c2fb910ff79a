"""A registration from the panel's choices, on Slicer's real scene (slicer-core), without Qt."""

import numpy as np
import pytest
import torch

from SphericalRegLib.app import Failed, Finished, Progressed
from SphericalRegLib.app.panel.snapshot import Snapshot
from SphericalRegLib.evaluation.metrics import mtre
from SphericalRegLib.geometry import se3
from SphericalRegLib.io.xray import read_xray
from SphericalRegLib.registration import Registration
from SphericalRegLib.sample import sample_path
from SphericalRegLib.scene.session import ConvertedCT
from Testing.Python.module.builders import (
    NAME,
    bones_of,
    choice,
    encoders_of_the_sample,
    scene_center,
    stand_with,
    volume_node,
)


def begun(registration):
    """With its first step done, so that it knows its starts."""
    next(iter(registration))
    return registration


class TestRegistering:
    def test_the_sample_becomes_an_accepted_result_that_is_chosen(
        self, session, scheduler, parameters, diary, truth, scan
    ):
        from SphericalRegLib.scene.carm import carm_nodes
        from SphericalRegLib.scene.poses import pose_from_transform
        from SphericalRegLib.scene.results import record, results

        parameters.method = choice("automatic")
        session.register(parameters, "Registration")
        scheduler.run_out(5000)
        assert len(diary.of(Finished)) == 1, diary.words[-2:]
        node = parameters.currentResult
        assert results(session.scene) == [node]
        # of so coarse a CT depth is known to some millimeters
        assert record(node)["verdict"] in ("accepted", "accepted in the plane only"), record(node)["reasons"]
        corners = scan.world_from_voxel @ np.array([[0, 0, 0, 1], [100, 100, 100, 1]]).T
        assert float(mtre(pose_from_transform(node), truth, torch.from_numpy(corners[:3].T.copy()))) < 1.5
        found = carm_nodes(node)
        assert (found.ct, found.xrays) == (parameters.ctVolume, [parameters.xray1Volume])
        assert found.drrs[0].GetImageData().GetDimensions() == (512, 512, 1)

    def test_a_second_run_leaves_the_first_result_as_it_was(self, session, scheduler, parameters):
        from SphericalRegLib.scene.poses import pose_from_transform
        from SphericalRegLib.scene.results import results

        session.register(parameters, "Registration")
        scheduler.run_out(5000)
        first = parameters.currentResult
        before = pose_from_transform(first)
        parameters.currentPose = first
        session.register(parameters, "Registration")
        scheduler.run_out(5000)
        assert [node.GetID() for node in results(session.scene)] == [first.GetID(), parameters.currentResult.GetID()]
        assert torch.equal(pose_from_transform(first), before)
        assert first.GetName() != parameters.currentResult.GetName()

    def test_the_carm_follows_the_iterations(self, session, scheduler, parameters, diary):
        from SphericalRegLib.scene.carm import carm_nodes
        from SphericalRegLib.scene.poses import pose_from_transform

        drawn = []
        session.drawn.connect(lambda node: drawn.append(pose_from_transform(node)))
        session.register(parameters, "Registration")
        while len(diary.of(Progressed)) < 12:
            scheduler.turn()
        assert torch.allclose(pose_from_transform(session.preview), diary.of(Progressed)[-1].step.pose, atol=1e-9)
        assert carm_nodes(session.preview).drrs[0] is not None
        assert len(drawn) > 3

    def test_landmarks_start_it_and_tell_its_errors(self, session, scheduler, parameters, truth, diary, monkeypatch):
        from SphericalRegLib.scene.landmarks import markups_from_landmarks, markups_on_image
        from SphericalRegLib.scene.results import record
        from SphericalRegLib.scene.session import inputs

        view = read_xray(sample_path(f"{NAME}_ap.dcm")).view
        points = {
            f"P{n}": p
            for n, p in enumerate(
                np.array([[0, 0, 0], [40, 10, 30], [-50, 20, -30], [20, -30, 60], [-20, 40, 10]], float)
            )
        }
        middle = scene_center(parameters.ctVolume)
        points = {name: p + middle for name, p in points.items()}
        pixels = view.project(torch.tensor(np.array(list(points.values()))), truth[None])[0].numpy()
        parameters.ctLandmarks = markups_from_landmarks(session.scene, points, "CT landmarks")
        parameters.xray1Landmarks = markups_on_image(
            session.scene, dict(zip(points, pixels, strict=True)), parameters.xray1Volume, "X-ray landmarks"
        )
        parameters.method = choice("landmarks")
        read, once = [], inputs.landmarks_of
        monkeypatch.setattr(inputs, "landmarks_of", lambda snapshot: read.append(snapshot) or once(snapshot))
        session.register(parameters, "Registration")
        scheduler.run_out(5000)
        assert diary.of(Failed) == []
        assert len(read) == 1
        content = record(parameters.currentResult)
        assert "5 landmarks" in content["settings"]["start"]
        assert len(content["landmarks"]) == 5

    def test_the_models_similarity_aligns_first_from_the_users_start(
        self, session, scheduler, parameters, truth, scan, diary, tmp_path
    ):
        from SphericalRegLib.scene.poses import pose_from_transform, transform_from_pose
        from SphericalRegLib.scene.results import record

        center = torch.from_numpy(scene_center(parameters.ctVolume))
        off = torch.tensor([[0.5, -0.5, 0.4, 50.0, -40.0, 100.0]], dtype=torch.float64)
        far = se3.about(off, truth[None], center)[0]
        parameters.currentPose = transform_from_pose(session.scene, far, "far off")
        parameters.modelFile = encoders_of_the_sample(tmp_path)
        found = {}
        for similarity in ("default", "learned, then default"):
            parameters.similarity = choice(similarity)
            session.register(parameters, "Registration")
            scheduler.run_out(5000)
            assert diary.of(Failed) == []
            node = parameters.currentResult
            left = se3.difference_about(pose_from_transform(node)[None], truth[None], center)[0, 3:].norm()
            found[similarity] = (float(left), record(node))
        apart, plain = found["default"]
        assert apart > 20
        assert plain["verdict"] == "rejected"
        assert plain["settings"]["start"] == "the current pose"
        apart, learned = found["learned, then default"]
        assert apart < 1.5
        assert learned["verdict"] in ("accepted", "accepted in the plane only"), learned["reasons"]
        name = f"{NAME}_model"
        assert learned["settings"]["start"] == f"the current pose, then the learned similarity of the model '{name}'"
        assert learned["settings"]["stages"][0].startswith("learned: ")

    @pytest.mark.parametrize("method", ["automatic", "current pose", "search"])
    def test_the_learned_similarity_goes_with_every_method(self, session, parameters, tmp_path, method):
        from SphericalRegLib.scene.session.inputs import inputs_of

        parameters.method = choice(method)
        parameters.modelFile = encoders_of_the_sample(tmp_path)
        plain = inputs_of(Snapshot.of(parameters), ConvertedCT())
        parameters.similarity = choice("learned, then default")
        learned = inputs_of(Snapshot.of(parameters), ConvertedCT())
        assert plain.system.stages[0].name == "search"
        assert [s.name for s in learned.system.stages] == ["learned", "align", "depth", "refine"]
        assert learned.system.stages[1:] == plain.system.stages[1:]
        assert learned.system.initializer == plain.system.initializer
        before, after = (begun(Registration(one.case, one.system)) for one in (plain, learned))
        assert torch.equal(after.starts.poses, before.starts.poses)
        assert after.origin.startswith(f"{before.origin}, then the learned similarity of the model ")

    def test_a_model_of_another_ct_aligns_nothing(self, session, scheduler, parameters, scan, diary, tmp_path):
        parameters.modelFile = encoders_of_the_sample(tmp_path)
        parameters.similarity = choice("learned, then default")
        parameters.ctVolume = volume_node(session.scene, "half", scan.hu[: len(scan.hu) // 2], scan.world_from_voxel)
        session.register(parameters, "Registration")
        scheduler.run_out()
        assert "trained for another CT" in diary.of(Failed)[0].failure.text

    def test_chosen_segments_alone_are_rendered(self, session, scheduler, parameters, scan, diary):
        segmentation, identity = bones_of(session.scene, parameters.ctVolume, scan)
        parameters.segmentation, parameters.segments = segmentation, [identity]
        from SphericalRegLib.scene.session.inputs import inputs_of

        inputs = inputs_of(Snapshot.of(parameters), ConvertedCT())
        assert inputs.bones == ["all bone"]
        assert {stage.look.footprint_mm for stage in inputs.system.stages} == {3.0}
        whole = ConvertedCT().chosen(Snapshot.of(stand_with(parameters, segments=[]))).volume
        assert float(inputs.case.volume.density.sum()) < 0.6 * float(whole.density.sum())
