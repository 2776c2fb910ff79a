"""The C-arm that a user moves: its DRR follows, and is fine at rest."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from SphericalRegLib.geometry.carm_setting import CArmSetting
from SphericalRegLib.scene import carm, detector, drr_carm
from SphericalRegLib.scene.landmarks import markups_from_landmarks
from SphericalRegLib.scene.session.carm_view import CArmLook, CArmView
from SphericalRegLib.scene.session.converted_ct import ConvertedCT
from Testing.Python.app.doubles import HandTurned
from Testing.Python.scene import scans
from Testing.Python.scene.builders import add_volume

SETTING = CArmSetting(rows=300, columns=400, row_spacing=0.7, column_spacing=0.6)


@pytest.fixture
def desk(a_scene: Any) -> SimpleNamespace:
    """A CT that is chosen, a C-arm over it, and what it tells."""
    ct = add_volume(a_scene, scans.ct().hu, scans.ct().world_from_voxel, "CT")
    made = SimpleNamespace(scene=a_scene, soon=HandTurned(), later=HandTurned(), drawn=[], messages=[])
    made.snapshot = SimpleNamespace(ct_volume=ct, segmentation=None, segments=(), device="auto")
    made.view = CArmView(a_scene, made.soon, made.later, ConvertedCT())
    made.view.drawn.connect(
        lambda node, whole: made.drawn.append((detector.array_of(drr_carm.drr_node(node)).shape, whole))
    )
    made.view.message.connect(made.messages.append)
    return made


def test_it_is_coarse_at_once_and_fine_at_rest(desk: SimpleNamespace) -> None:
    desk.view.ask(desk.snapshot, CArmLook(SETTING))
    assert desk.view.node is None
    desk.soon.run_out()
    assert desk.drawn == [((192, 256), False)]
    desk.later.run_out()
    desk.soon.run_out()
    assert desk.drawn[1:] == [((300, 400), True)]
    assert drr_carm.get_setting(desk.view.node) == SETTING
    assert detector.array_of(drr_carm.drr_node(desk.view.node)).max() > 1


def test_while_it_moves_only_the_newest_setting_is_drawn_and_nothing_fine(desk: SimpleNamespace) -> None:
    for angle in range(5):
        desk.view.ask(desk.snapshot, CArmLook(replace(SETTING, primary_deg=float(angle))))
    desk.soon.run_out()
    assert len(desk.drawn) == 1
    assert drr_carm.get_setting(desk.view.node).primary_deg == 4.0
    desk.view.ask(desk.snapshot, CArmLook(replace(SETTING, primary_deg=9.0)))
    desk.later.run_out()
    assert len(desk.drawn) == 1
    desk.soon.run_out()
    desk.later.run_out()
    desk.view.ask(desk.snapshot, CArmLook(replace(SETTING, primary_deg=10.0)))
    # the bands that have begun give way
    desk.soon.run_out()
    assert [whole for _, whole in desk.drawn] == [False, False, False]


def test_there_is_one_c_arm_also_for_another_ct(desk: SimpleNamespace) -> None:
    desk.view.ask(desk.snapshot, CArmLook(SETTING))
    desk.soon.run_out()
    first = desk.view.node
    desk.snapshot.ct_volume = add_volume(desk.scene, scans.ct().hu, np.diag([3.0, 3.0, 3.0, 1.0]), "other CT")
    desk.view.ask(desk.snapshot, CArmLook(SETTING))
    desk.soon.run_out()
    assert desk.view.node is first
    assert carm.carm_nodes(first).ct.GetName() == "other CT"
    assert drr_carm.drr_carms(desk.scene) == [first]


def test_bones_alone_get_a_window_of_their_own(desk: SimpleNamespace) -> None:
    desk.view.ask(desk.snapshot, CArmLook(SETTING))
    desk.soon.run_out()
    whole = drr_carm.tone(desk.view.node)
    desk.view.ask(desk.snapshot, CArmLook(SETTING, bone_only=True, gamma=0.7, inverted=True))
    desk.soon.run_out()
    bone = drr_carm.tone(desk.view.node)
    assert bone.high < whole.high
    assert (bone.gamma, bone.inverted) == (0.7, True)


def test_markups_are_projected_while_it_moves(desk: SimpleNamespace) -> None:
    markups = markups_from_landmarks(desk.scene, scans.landmarks(), "points")
    desk.view.ask(desk.snapshot, CArmLook(SETTING, markups=markups))
    desk.soon.run_out()
    table = carm.nodes.reference(desk.view.node, "ProjectionTable.0")
    assert table.GetTable().GetNumberOfRows() == 4


def test_what_cannot_be_drawn_is_told_and_goes_when_it_can(desk: SimpleNamespace) -> None:
    desk.view.ask(desk.snapshot, CArmLook(replace(SETTING, sad=2000.0)))
    desk.soon.run_out()
    assert "2000" in desk.messages[-1]
    assert desk.view.node is None
    desk.view.ask(desk.snapshot, CArmLook(SETTING))
    desk.soon.run_out()
    assert desk.messages[-1] == ""


def test_deleting_it_ends_what_is_being_drawn(desk: SimpleNamespace) -> None:
    desk.view.ask(desk.snapshot, CArmLook(SETTING))
    desk.soon.run_out()
    carm.remove_carm(desk.view.node)
    desk.later.run_out()
    desk.soon.run_out()
    assert desk.view.node is None
    assert len(desk.drawn) == 1
    assert desk.messages == [""]
