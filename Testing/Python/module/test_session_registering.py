"""A registration from the panel's choices, on Slicer's real scene (slicer-core), without Qt."""

import numpy as np
import torch

from SphericalRegLib.control import Failed, Finished, Progressed
from SphericalRegLib.evaluation.metrics import mtre
from SphericalRegLib.imaging.xray import read_xray
from SphericalRegLib.sample import sample_path
from Testing.Python.module.builders import NAME, bones_of, choice, scene_center, stand_with


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
        assert record(node)["accepted"] is True, record(node)["reasons"]
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
        session.onDrawn = lambda node: drawn.append(pose_from_transform(node))
        session.register(parameters, "Registration")
        while len(diary.of(Progressed)) < 12:
            scheduler.turn()
        assert torch.allclose(pose_from_transform(session.preview), diary.of(Progressed)[-1].step.pose, atol=1e-9)
        assert carm_nodes(session.preview).drrs[0] is not None
        assert len(drawn) > 3

    def test_landmarks_start_it_and_tell_its_errors(self, session, scheduler, parameters, truth, diary):
        from SphericalRegLib.scene.landmarks import markups_from_landmarks, markups_on_image
        from SphericalRegLib.scene.results import record

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
        session.register(parameters, "Registration")
        scheduler.run_out(5000)
        assert diary.of(Failed) == []
        content = record(parameters.currentResult)
        assert "5 landmarks" in content["settings"]["start"]
        assert len(content["landmarks"]) == 5

    def test_chosen_segments_alone_are_rendered(self, session, scheduler, parameters, scan, diary):
        segmentation, identity = bones_of(session.scene, parameters.ctVolume, scan)
        parameters.segmentation, parameters.segments = segmentation, [identity]
        from SphericalRegUI.Preparation import Snapshot

        inputs = session.preparation.inputs(Snapshot(parameters))
        assert inputs.bones == ["all bone"]
        assert inputs.settings.footprint_mm == 3.0
        whole = session.preparation.scanAndVolume(*Snapshot(stand_with(parameters, segments=[])).whatIsProjected)[1]
        assert float(inputs.volume.density.sum()) < 0.6 * float(whole.density.sum())
