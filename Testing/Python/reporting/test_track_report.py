"""A track's files and pages: whole, with gaps, in the bodies' colors."""

import cv2
import numpy as np
import pytest
import torch

from SphericalRegLib.io.tra_file import read_tra
from SphericalRegLib.io.transform_file import read_transform
from SphericalRegLib.reporting.track_curves import curve_picture, displacement_curves
from SphericalRegLib.reporting.track_film import write_films
from SphericalRegLib.reporting.track_overlay import COLORS, LOST_COLOR, overlay
from SphericalRegLib.reporting.track_report import write_track
from SphericalRegLib.tracking.kinematics import Joint, joint_motions
from SphericalRegLib.tracking.tracker import Plan, Tracker
from Testing.Python.tracking.phantom import BODIES, keyframes, sequence, system


@pytest.fixture(scope="module")
def seen():
    return sequence(range(3), blank=(1,))


@pytest.fixture(scope="module")
def a_track(seen):
    tracker = Tracker(BODIES, seen, keyframes(), system(), Plan(candidates=1))
    list(tracker)
    return tracker.track()


def test_all_files_are_there_and_say_the_same(a_track, seen, tmp_path):
    joint = Joint("first", "second")
    frames = {name: torch.eye(4).double() for name in a_track.names}
    write_track(tmp_path, a_track, seen, BODIES, {joint: joint_motions(a_track, joint, frames)}, transforms=True)
    poses = read_tra(tmp_path / "second.tra")
    assert [pose is None for pose in poses] == [False, True, False]
    assert torch.equal(poses[2], a_track.frames[2].bodies[1].pose)
    names = {path.name for path in tmp_path.iterdir()}
    assert {"track.csv", "track.json", "joints.csv", "report.html", "first_000002.tfm"} <= names
    assert "first_000001.tfm" not in names
    torch.testing.assert_close(read_transform(tmp_path / "first_000002.tfm"), a_track.frames[2].bodies[0].pose)
    page = (tmp_path / "report.html").read_text()
    for words in (
        "2 of 3 frames tracked",
        "1 not tracked",
        "7 everywhere",
        "first - second",
        "Frame 2",
        "nothing fills",
    ):
        assert words in page


def test_curves_have_gaps_and_bands(a_track):
    turns, shifts = displacement_curves(a_track, "first")
    assert [bool(np.isnan(value)) for value in shifts[0].values] == [False, True, False]
    assert shifts[0].values[0] == pytest.approx(0, abs=1e-9)
    assert shifts[0].half_widths[2] == a_track.frames[2].bodies[0].half_widths.plane_mm
    assert curve_picture(a_track.numbers, {"a": turns, "b": shifts})[:4] == b"\x89PNG"


def test_contours_have_the_bodies_colors_and_red_where_not_trusted(a_track, seen):
    (xray, _), frame = seen.xrays(0), a_track.frames[0]
    colors = {tuple(pixel) for pixel in overlay(xray, BODIES, frame, 200).reshape(-1, 3).tolist()}
    assert {COLORS[0], COLORS[1]} <= colors
    assert LOST_COLOR not in colors


def test_a_film_shows_every_frame_that_can_be_read_or_black(a_track, seen, tmp_path):
    assert list(write_films(tmp_path, a_track, seen, BODIES)) == [0, 1, 2]
    film = cv2.VideoCapture(str(tmp_path / "overlay_one.mp4"))
    pictures = []
    while True:
        there, picture = film.read()
        if not there:
            break
        pictures.append(picture)
    assert len(pictures) == 3
    assert pictures[1][60:].max() < 40
    assert pictures[2].max() > 100
