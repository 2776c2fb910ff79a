"""Autoscoper's tracks and our keyframes: there and back to the digit, gaps included."""

import json

import pytest
import torch

from SphericalRegLib.errors import GeometryError, InputError
from SphericalRegLib.geometry import se3
from SphericalRegLib.io.keyframe_file import read_keyframes, write_keyframes
from SphericalRegLib.io.tra_file import read_tra, write_tra

POSES = list(se3.exp(torch.tensor([[0.3, -0.2, 0.5, 10.0, -30.0, 900.0], [0.0, 1.0, 0.2, 0.1, 2.0, 700.0]]).double()))


def test_a_track_comes_back_to_the_digit_and_gaps_stay_gaps(tmp_path):
    write_tra(tmp_path / "bone.tra", [POSES[0], None, POSES[1]])
    again = read_tra(tmp_path / "bone.tra")
    assert torch.equal(again[0], POSES[0])
    assert again[1] is None
    assert torch.equal(again[2], POSES[1])


def test_matrices_stand_by_rows(tmp_path):
    write_tra(tmp_path / "bone.tra", POSES[:1])
    numbers = [float(cell) for cell in (tmp_path / "bone.tra").read_text().split(",")]
    assert numbers[3] == POSES[0][0, 3]
    assert numbers[12:] == [0, 0, 0, 1]


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("1,2,3\n", InputError, "line 1 must hold 16 numbers"),
        (",".join(["x"] * 16), InputError, "line 1 must hold 16 numbers"),
        (",".join(["2", *"0000", "2", *"0000", "2", *"0000", "1"]), GeometryError, "line 1 is not a rigid matrix"),
        ("\n\n", InputError, "holds no pose"),
    ],
)
def test_what_is_no_track_is_refused(tmp_path, text, error, words):
    (tmp_path / "bone.tra").write_text(text)
    with pytest.raises(error, match=words):
        read_tra(tmp_path / "bone.tra")


def test_a_pose_that_is_not_rigid_is_not_written(tmp_path):
    with pytest.raises(GeometryError, match="line 1 is not a rigid"):
        write_tra(tmp_path / "bone.tra", [2 * torch.eye(4)])
    assert not (tmp_path / "bone.tra").exists()


def test_keyframes_come_back_to_the_digit(tmp_path):
    keyframes = {12: {"femur": POSES[0], "tibia": POSES[1]}, 40: {"tibia": POSES[0]}}
    write_keyframes(tmp_path / "keys.json", keyframes)
    again = read_keyframes(tmp_path / "keys.json")
    assert {frame: set(poses) for frame, poses in again.items()} == {12: {"femur", "tibia"}, 40: {"tibia"}}
    assert torch.equal(again[12]["tibia"], POSES[1])


@pytest.mark.parametrize(
    ("content", "error", "words"),
    [
        ([], InputError, "holds no keyframes"),
        ({"first": {"femur": torch.eye(4).tolist()}}, InputError, "'first' is no frame's number"),
        ({"1": {"femur": [[1, 2], [3, 4]]}}, InputError, "frame 1, 'femur'"),
        ({"1": {"femur": (2 * torch.eye(4)).tolist()}}, GeometryError, "frame 1, 'femur' is not a rigid"),
    ],
)
def test_what_are_no_keyframes_is_refused(tmp_path, content, error, words):
    (tmp_path / "keys.json").write_text(json.dumps(content))
    with pytest.raises(error, match=words):
        read_keyframes(tmp_path / "keys.json")
