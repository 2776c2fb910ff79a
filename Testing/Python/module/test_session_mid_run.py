"""Deleting nodes, closing the scene and cancelling in mid-run leave a clear state."""

import pytest

from SphericalRegLib.app import Cancelled, Failed, Finished, Progressed, State
from Testing.Python.module.builders import node_count


class TestInMidRun:
    def begin(self, session, scheduler, parameters, diary, steps=6):
        session.register(parameters, "Registration")
        while len(diary.of(Progressed)) < steps:
            scheduler.turn()
        assert session.preview is not None

    def test_cancelling_takes_the_moving_carm_away_with_all_that_belongs_to_it(
        self, session, scheduler, parameters, diary
    ):
        before = node_count(session.scene)
        self.begin(session, scheduler, parameters, diary)
        assert node_count(session.scene) > before
        session.registration.cancel()
        scheduler.run_out()
        assert len(diary.of(Cancelled)) == 1
        # folders of the subject hierarchy node are items, not nodes; the node itself may have been made
        left = node_count(session.scene) - before
        assert left <= 1
        assert parameters.currentResult is None

    @pytest.mark.parametrize("used", ["ctVolume", "xray1Volume"])
    def test_deleting_a_node_in_use_stops_the_run_and_says_so(self, session, scheduler, parameters, diary, used):
        self.begin(session, scheduler, parameters, diary)
        node = getattr(parameters, used)
        assert session.nodeRemoved(node) == node.GetName()
        session.scene.RemoveNode(node)
        scheduler.run_out()
        assert session.registration.state is State.IDLE
        assert len(diary.of(Cancelled)) == 1
        assert diary.of(Failed) == []

    def test_deleting_the_moving_carm_itself_stops_the_run(self, session, scheduler, parameters, diary):
        self.begin(session, scheduler, parameters, diary)
        node = session.preview
        assert session.nodeRemoved(node) == node.GetName()
        session.scene.RemoveNode(node)
        scheduler.run_out()
        assert session.registration.state is State.IDLE
        assert session.preview is None

    def test_deleting_any_other_node_stops_nothing(self, session, scheduler, parameters, diary):
        self.begin(session, scheduler, parameters, diary)
        other = session.scene.AddNewNodeByClass("vtkMRMLTableNode")
        assert session.nodeRemoved(other) is None
        scheduler.run_out(5000)
        assert len(diary.of(Finished)) == 1

    def test_choosing_another_ct_belongs_to_the_next_run(self, session, scheduler, parameters, diary):
        from SphericalRegLib.scene.carm import carm_nodes

        self.begin(session, scheduler, parameters, diary)
        first = parameters.ctVolume
        parameters.ctVolume = session.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "other")
        scheduler.run_out(5000)
        assert carm_nodes(parameters.currentResult).ct is first

    @pytest.mark.parametrize("steps", [0, 6])
    def test_closing_the_scene_stops_everything_and_the_next_run_works(
        self, session, scheduler, parameters, diary, scan, steps
    ):
        if steps:
            self.begin(session, scheduler, parameters, diary, steps)
        else:
            session.register(parameters, "Registration")
        session.sceneCloses()
        session.scene.Clear(False)
        told = len(diary.events)
        scheduler.run_out()
        assert len(diary.events) == told
        assert session.registration.state is State.IDLE
        assert not session.busy

    def test_dragging_is_not_drawn_while_a_registration_runs(self, session, scheduler, parameters, diary):
        near = parameters.currentPose
        node = session.placeCArm(parameters, "C-arm")
        parameters.currentPose = near
        scheduler.run_out()
        drawn = []
        session.drawn.connect(lambda one: drawn.append(one.GetID()))
        self.begin(session, scheduler, parameters, diary)
        session.poseMoved(parameters, node)
        scheduler.run_out(5000)
        assert node.GetID() not in drawn
