"""Landscapes about a result, and its report."""

from importlib.util import find_spec

import pytest

from SphericalRegLib.control import Failed, State
from SphericalRegLib.sample import sample_path
from Testing.Python.module.builders import NAME, node_count


class TestLandscapes:
    def test_one_about_the_result_is_put_into_the_scene_in_degrees(self, session, scheduler, parameters, truth, diary):
        from SphericalRegLib.scene.landscape import landscape_nodes
        from SphericalRegLib.scene.poses import transform_from_pose

        parameters.currentPose = transform_from_pose(session.scene, truth, "pose")
        parameters.firstSteps = parameters.secondSteps = 5
        session.surveys.compute(parameters, "Landscape")
        scheduler.run_out()
        assert diary.of(Failed) == []
        table = parameters.currentLandscape
        assert table.GetTable().GetNumberOfRows() == 25
        assert set(landscape_nodes(table).surfaces) == {"ncc", "tone-free"}

    @pytest.mark.skipif(find_spec("timm") is None, reason="timm comes with the extra 'learned'")
    def test_the_models_own_similarity_joins_the_others(self, session, scheduler, parameters, truth, diary):
        from SphericalRegLib.scene.landscape import landscape_nodes
        from SphericalRegLib.scene.poses import transform_from_pose

        parameters.currentPose = transform_from_pose(session.scene, truth, "pose")
        parameters.firstSteps = parameters.secondSteps = 3
        parameters.surveyLearned = True
        session.surveys.compute(parameters, "Landscape")
        scheduler.run_out()
        assert "needs a trained model" in diary.of(Failed)[0].failure.text
        parameters.modelFile = str(sample_path(f"{NAME}_model.safetensors"))
        session.surveys.compute(parameters, "Landscape")
        scheduler.run_out()
        assert set(landscape_nodes(parameters.currentLandscape).surfaces) == {"ncc", "tone-free", "learned"}

    def test_without_a_pose_it_says_what_to_do(self, session, scheduler, parameters, diary):
        parameters.currentPose = None
        session.surveys.compute(parameters, "Landscape")
        scheduler.run_out()
        assert "register first" in diary.of(Failed)[0].failure.text

    def test_deleting_its_pose_stops_it(self, session, scheduler, parameters, truth, diary):
        from SphericalRegLib.scene.poses import transform_from_pose

        parameters.currentPose = transform_from_pose(session.scene, truth, "pose")
        session.surveys.compute(parameters, "Landscape")
        assert session.nodeRemoved(parameters.currentPose) == "pose"
        assert session.survey.state is State.IDLE


class TestReports:
    def test_one_of_a_result_is_written_and_one_of_a_loaded_result_is_refused(
        self, session, scheduler, parameters, tmp_path
    ):
        from SphericalRegLib.errors import InputError

        session.register(parameters, "Registration")
        scheduler.run_out(5000)
        node = parameters.currentResult
        assert session.canReport(node)
        session.writeReport(node, tmp_path / "report")
        written = {path.name for path in (tmp_path / "report").iterdir()}
        assert {"report.html", "result.json", "pose.tfm"} <= written
        session._registered.clear()
        with pytest.raises(InputError, match="register again"):
            session.writeReport(node, tmp_path / "second")
        assert not (tmp_path / "second").exists()

    def test_a_removed_result_leaves_nothing_behind(self, session, scheduler, parameters):
        from SphericalRegLib.scene.results import results

        session.register(parameters, "Registration")
        before = node_count(session.scene)
        scheduler.run_out(5000)
        session.removeResult(parameters.currentResult)
        assert results(session.scene) == []
        assert node_count(session.scene) - before <= 1
