"""Placing the C-arm and dragging it by hand; its DRR follows."""

import math

import numpy as np
import pytest
import torch

from SphericalRegLib.geometry import se3
from Testing.Python.module.builders import choice, scene_center


class TestPlacingByHand:
    def test_the_carm_stands_at_the_chosen_view_and_is_the_current_pose(self, session, scheduler, parameters):
        from SphericalRegLib.scene.carm import carm_nodes
        from SphericalRegLib.scene.poses import pose_from_transform

        parameters.preset = choice("left lateral")
        node = session.placeCArm(parameters, "C-arm")
        assert parameters.currentPose is node
        beam = pose_from_transform(node)[2, :3]
        # the detector at the patient's left: the beam goes to -x
        assert torch.allclose(beam, torch.tensor([-1.0, 0.0, 0.0], dtype=torch.float64), atol=1e-9)
        scheduler.run_out()
        assert carm_nodes(node).drrs[0] is not None

    def test_it_stands_where_the_carm_in_the_views_is(self, session, scheduler, parameters):
        from SphericalRegLib.scene.poses import pose_from_transform

        parameters.preset = choice("left lateral")
        shown = session.placeCArm(parameters, "C-arm")
        moved = pose_from_transform(shown)
        moved[:3, 3] += torch.tensor([4.0, -3.0, 20.0], dtype=torch.float64)
        from SphericalRegLib.scene.poses import set_pose

        set_pose(shown, moved)
        parameters.preset = choice("AP")
        node = session.placeCArm(parameters, "C-arm", shown)
        assert node is not shown
        assert torch.allclose(pose_from_transform(node), moved, atol=1e-9)

    def test_it_starts_where_the_carm_of_a_drr_is(self, session, scheduler, parameters):
        from SphericalRegLib.scene.poses import pose_from_transform

        parameters.carm.primaryAngle, parameters.carm.tableHead = -33.0, 25.0
        session.drawCArm(parameters)
        scheduler.turn()
        pose = pose_from_transform(session.cArm.node)
        node = session.placeCArm(parameters, "C-arm", session.cArm.node)
        assert torch.allclose(pose_from_transform(node), pose, atol=1e-9)
        assert parameters.currentPose is node

    def test_what_a_pose_costs_is_told_at_rest(self, session, scheduler, parameters, truth):
        from SphericalRegLib.scene.poses import set_pose, transform_from_pose

        told = []
        session.costKnown.connect(lambda node, cost: told.append((node, cost)))
        node = session.placeCArm(parameters, "C-arm", transform_from_pose(session.scene, truth, "truth"))
        session.askCost(parameters, node)
        scheduler.run_out()
        beside = truth.clone()
        beside[0, 3] += 10.0
        set_pose(node, beside)
        for _ in range(3):
            session.askCost(parameters, node)
        scheduler.run_out()
        assert [one for one, _ in told] == [node, node]
        # the limit of a verdict is between them
        assert told[0][1] < 0.4 < told[1][1]

    def test_it_is_drawn_once_also_where_dragging_draws_nothing(self, session, scheduler, parameters):
        from SphericalRegLib.scene.carm import carm_nodes

        parameters.liveRendering = False
        node = session.placeCArm(parameters, "C-arm")
        scheduler.run_out()
        assert carm_nodes(node).drrs[0] is not None

    def test_the_panel_hears_when_the_rest_of_a_deleted_carm_is_gone(self, session, scheduler, parameters):
        from SphericalRegLib.scene.carm import belongings

        node = session.placeCArm(parameters, "C-arm")
        scheduler.run_out()
        made, heard = belongings(node), []
        session.cArmRemoved.connect(lambda: heard.append([one.GetScene() for one in made]))
        session.nodeRemoved(node)
        session.scene.RemoveNode(node)
        assert heard == []
        scheduler.run_out()
        assert heard == [[None] * len(made)]

    def test_dragging_draws_the_newest_pose_once(self, session, scheduler, parameters):
        from SphericalRegLib.scene.carm import carm_nodes
        from SphericalRegLib.scene.detector import array_of
        from SphericalRegLib.scene.poses import pose_from_transform, set_pose

        node = session.placeCArm(parameters, "C-arm")
        scheduler.run_out()
        before = array_of(carm_nodes(node).drrs[0]).copy()
        drawn = []
        session.drawn.connect(drawn.append)
        center = torch.from_numpy(scene_center(parameters.ctVolume))
        pose = pose_from_transform(node)
        for n in range(1, 6):
            twist = torch.tensor([0, 0, math.radians(4 * n), 0, 0, 0], dtype=torch.float64)
            set_pose(node, se3.about(twist, pose, center))
            session.poseMoved(parameters, node)
            assert len(scheduler.waiting) == 1
        scheduler.run_out()
        assert drawn == [node]
        after = array_of(carm_nodes(node).drrs[0])
        assert np.abs(after - before).max() > 0.5

    def test_a_node_deleted_before_its_turn_is_not_drawn(self, session, scheduler, parameters):
        from SphericalRegLib.scene.carm import remove_carm

        node = session.placeCArm(parameters, "C-arm")
        drawn, said = [], []
        session.drawn.connect(drawn.append)
        session.registrationMessage.connect(said.append)
        remove_carm(node)
        scheduler.run_out()
        assert (drawn, said) == ([], [])

    @pytest.mark.parametrize("why", ["switched off", "no C-arm", "another CT"])
    def test_what_should_not_be_drawn_is_not(self, session, scheduler, parameters, why):
        node = session.placeCArm(parameters, "C-arm")
        scheduler.run_out()
        if why == "switched off":
            parameters.liveRendering = False
        elif why == "no C-arm":
            node = session.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
        else:
            parameters.ctVolume = session.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
        session.poseMoved(parameters, node)
        assert scheduler.waiting == []

    def test_edges_are_drawn_anew_when_they_are_chosen_after_a_drag(self, session, scheduler, parameters):
        from SphericalRegLib.scene.carm import carm_nodes

        node = session.placeCArm(parameters, "C-arm")
        scheduler.run_out()
        assert carm_nodes(node).bone_drrs[0] is None
        parameters.overlayMode = choice("edges")
        session.overlayChosen(parameters, node)
        scheduler.run_out()
        assert carm_nodes(node).bone_drrs[0] is not None
