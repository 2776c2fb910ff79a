"""Landscapes about a result, and its report."""

import re
from importlib.util import find_spec

import numpy as np
import pytest
import SimpleITK
import torch

from SphericalRegLib.app import Failed, State
from SphericalRegLib.sample import sample_path
from Testing.Python.module.builders import NAME, bones_of, node_count, scene_center


def read_image(path):
    return SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path))).squeeze()


class TestLandscapes:
    def test_one_about_the_result_is_put_into_the_scene_in_degrees(self, session, scheduler, parameters, truth, diary):
        from SphericalRegLib.scene.landscape import landscape_nodes
        from SphericalRegLib.scene.poses import transform_from_pose

        parameters.currentPose = transform_from_pose(session.scene, truth, "pose")
        parameters.firstSteps = parameters.secondSteps = 5
        session.computeLandscape(parameters, "Landscape")
        scheduler.run_out()
        assert diary.of(Failed) == []
        table = parameters.currentLandscape
        assert table.GetTable().GetNumberOfRows() == 25
        assert set(landscape_nodes(table).surfaces) == {"ncc", "tone-free"}

    def test_deleting_its_table_removes_what_was_drawn_a_little_later(self, session, scheduler, parameters, truth):
        from SphericalRegLib.scene.landscape import belongings
        from SphericalRegLib.scene.poses import transform_from_pose

        parameters.currentPose = transform_from_pose(session.scene, truth, "pose")
        before = node_count(session.scene)
        parameters.firstSteps = parameters.secondSteps = 3
        session.computeLandscape(parameters, "Landscape")
        scheduler.run_out()
        table = parameters.currentLandscape
        drawn = belongings(table)
        assert len(drawn) > 6
        assert session.nodeRemoved(table) is None
        session.scene.RemoveNode(table)
        assert session.scene.IsNodePresent(drawn[0])
        scheduler.run_out()
        assert node_count(session.scene) == before

    @pytest.mark.skipif(find_spec("timm") is None, reason="timm comes with the extra 'learned'")
    def test_the_models_own_similarity_joins_the_others(self, session, scheduler, parameters, truth, diary):
        from SphericalRegLib.scene.landscape import landscape_nodes
        from SphericalRegLib.scene.poses import transform_from_pose

        parameters.currentPose = transform_from_pose(session.scene, truth, "pose")
        parameters.firstSteps = parameters.secondSteps = 3
        parameters.comparedSimilarities = [*parameters.comparedSimilarities, "learned"]
        session.computeLandscape(parameters, "Landscape")
        scheduler.run_out()
        assert "needs a trained model" in diary.of(Failed)[0].failure.text
        parameters.modelFile = str(sample_path(f"{NAME}_model.safetensors"))
        session.computeLandscape(parameters, "Landscape")
        scheduler.run_out()
        assert set(landscape_nodes(parameters.currentLandscape).surfaces) == {"ncc", "tone-free", "learned"}

    def test_without_a_pose_it_says_what_to_do(self, session, scheduler, parameters, diary):
        parameters.currentPose = None
        session.computeLandscape(parameters, "Landscape")
        scheduler.run_out()
        assert "register first" in diary.of(Failed)[0].failure.text

    def test_deleting_its_pose_stops_it(self, session, scheduler, parameters, truth, diary):
        from SphericalRegLib.scene.poses import transform_from_pose

        parameters.currentPose = transform_from_pose(session.scene, truth, "pose")
        session.computeLandscape(parameters, "Landscape")
        assert session.nodeRemoved(parameters.currentPose) == "pose"
        assert session.survey.state is State.IDLE


class TestReports:
    def test_a_result_that_was_loaded_has_the_report_that_it_had_before(self, session, scheduler, parameters, tmp_path):
        from SphericalRegLib.scene.landmarks import markups_from_landmarks, markups_on_image
        from SphericalRegLib.scene.results import results

        middle = scene_center(parameters.ctVolume)
        points = {"L4 <left>": middle + np.array([20.0, 10.0, -30.0]), "promontory": middle}
        parameters.ctLandmarks = markups_from_landmarks(session.scene, points, "in the CT")
        marks = markups_on_image(session.scene, {"promontory": (130.0, 140.0)}, parameters.xray1Volume, "in the X-ray")
        parameters.xray1Landmarks = marks
        session.register(parameters, "Registration")
        scheduler.run_out(5000)
        session.writeReport(parameters.currentResult, tmp_path / "before")
        written = sorted(path.name for path in (tmp_path / "before").iterdir())
        assert written == ["drr.nrrd", "drr.png", "pose.tfm", "report.html", "result.json"]
        page = (tmp_path / "before" / "report.html").read_text(encoding="utf-8")
        assert "L4 &lt;left&gt;" in page
        assert "Mark, at patient, mm" in page
        assert "TRE, mm" not in page

        (tmp_path / "scene").mkdir()
        assert session.scene.WriteToMRB(str(tmp_path / "scene" / "saved.mrb"), None, None)
        session.sceneCloses()
        session.scene.Clear(True)
        assert session.scene.ReadFromMRB(str(tmp_path / "scene" / "saved.mrb"), True, None)
        (loaded,) = results(session.scene)
        session.writeReport(loaded, tmp_path / "after")
        for name in ("result.json", "pose.tfm", "drr.png"):
            before, after = ((tmp_path / which / name).read_bytes() for which in ("before", "after"))
            assert before == after, name
        # pictures are drawn from what the scene's files hold
        again = (tmp_path / "after" / "report.html").read_text(encoding="utf-8")
        assert re.sub(r"base64,[^\"]*", "", again) == re.sub(r"base64,[^\"]*", "", page)

    def test_it_is_of_the_pose_that_was_found_wherever_ct_and_carm_were_moved_since(
        self, session, scheduler, parameters, tmp_path
    ):
        from SphericalRegLib.scene.poses import pose_from_transform, set_pose, transform_from_pose

        session.register(parameters, "Registration")
        scheduler.run_out(5000)
        node = parameters.currentResult
        session.writeReport(node, tmp_path / "before")
        turned = torch.eye(4, dtype=torch.float64)
        turned[:3, 3] = torch.tensor([15.0, -40.0, 25.0])
        turned[:2, :2] = torch.tensor([[0.8, -0.6], [0.6, 0.8]])
        moved = pose_from_transform(node)
        moved[0, 3] += 30.0
        set_pose(node, moved)
        over = transform_from_pose(session.scene, turned, "moves the CT")
        parameters.ctVolume.SetAndObserveTransformNodeID(over.GetID())
        session.writeReport(node, tmp_path / "after")
        before, after = (read_image(tmp_path / which / "drr.nrrd") for which in ("before", "after"))
        assert np.abs(before - after).max() < 1e-4 * before.max()

    def test_bones_alone_are_drawn_as_they_were_registered(self, session, scheduler, parameters, scan, tmp_path):
        from SphericalRegLib.scene.carm import carm_nodes
        from SphericalRegLib.scene.detector import array_of

        segmentation, identity = bones_of(session.scene, parameters.ctVolume, scan)
        parameters.segmentation, parameters.segments = segmentation, [identity]
        session.register(parameters, "Registration")
        scheduler.run_out(5000)
        node = parameters.currentResult
        # what is chosen now belongs to the next run
        parameters.segmentation, parameters.segments = None, []
        session.writeReport(node, tmp_path / "report")
        drr, shown = read_image(tmp_path / "report" / "drr.nrrd"), array_of(carm_nodes(node).drrs[0])
        assert np.abs(drr - shown).max() < 1e-4 * shown.max()

    def test_without_its_ct_there_is_none_and_nothing_is_written(self, session, scheduler, parameters, tmp_path):
        from SphericalRegLib.errors import InputError

        session.register(parameters, "Registration")
        scheduler.run_out(5000)
        node = parameters.currentResult
        session.scene.RemoveNode(parameters.ctVolume)
        with pytest.raises(InputError, match=r"CT of 'Registration' anew, and it was deleted.*register again"):
            session.writeReport(node, tmp_path / "report")
        assert not (tmp_path / "report").exists()

    def test_a_removed_result_leaves_nothing_behind(self, session, scheduler, parameters):
        from SphericalRegLib.scene.results import results

        session.register(parameters, "Registration")
        before = node_count(session.scene)
        scheduler.run_out(5000)
        session.removeResult(parameters.currentResult)
        assert results(session.scene) == []
        assert node_count(session.scene) - before <= 1
