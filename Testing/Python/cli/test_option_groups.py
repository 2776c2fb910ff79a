"""Options that commands share: documented once, inherited, and read by what they are for."""

from __future__ import annotations

import pytest
import torch
from typing_extensions import Unpack

from SphericalRegLib.cli.parsing.options import command_options, documented, options_of
from SphericalRegLib.cli.reading.ct_reading import CTReading
from SphericalRegLib.cli.reading.nominal_view import NominalView, camera_of, nominal_pose
from SphericalRegLib.cli.reading.xray_reading import XRayReading, read_images
from SphericalRegLib.cli.running import Computing, Running, begin, device_of
from SphericalRegLib.errors import DeviceError, GeometryError, InputError
from SphericalRegLib.geometry import carm
from SphericalRegLib.threads import get_threads, set_threads


class RegisterReading(CTReading, XRayReading, Computing, total=False):
    """All of them."""


def command(ct: str, **options: Unpack[RegisterReading]) -> int:
    """Takes everything."""
    return len(options)


class Other(Running, total=False):
    """Changed.

    Args:
        quiet: nothing but the facts.
    """

    quiet: bool


def other(**options: Unpack[Other]) -> int:
    """Takes these."""
    return len(options)


def test_a_group_that_inherits_from_several_has_the_options_of_all_and_what_they_say():
    names = {"ct", *CTReading.__annotations__, *XRayReading.__annotations__, *Computing.__annotations__}
    assert set(options_of(command)) == names
    said = documented(command)
    assert set(said) == names - {"ct"}
    assert said["sdd"] == "source-to-detector distance in mm, instead of DICOM's."
    assert said["intensity"].endswith("goes by DICOM's tags.")
    assert said["quiet"] == "no messages."
    options = command_options(command)
    assert (options["quiet"].kind, options["view"].kind, options["spacing"].kind) == ("flag", "list", "tuple")
    assert not any(option.required for name, option in options.items() if name != "ct")


def test_the_last_of_two_that_say_something_of_an_option_counts():
    assert documented(other)["quiet"] == "nothing but the facts."
    assert "by default" in documented(other)["threads"]


def test_threads_and_messages_are_as_told(capsys):
    before = get_threads()
    try:
        begin({"threads": 1}).say("said")
        assert get_threads() == 1
    finally:
        set_threads(before)
    begin({"quiet": True}).say("not said")
    begin({"verbose": True}).detail("told")
    begin({}).detail("not told")
    assert capsys.readouterr().err == "said\ntold\n"
    with pytest.raises(InputError, match="-3"):
        begin({"threads": -3})


def test_the_device_is_as_told():
    assert device_of({"device": "cpu", "quiet": True}) == torch.device("cpu")
    assert device_of({}).type in ("cpu", "cuda")
    with pytest.raises(DeviceError, match="no device 'abacus'"):
        device_of({"device": "abacus"})


def test_an_xray_is_read_as_told(case):
    (plain,) = read_images([case.xray], {"quiet": True})
    (told,) = read_images([case.xray], {"sdd": 1100.0, "sad": 700.0, "spacing": (3.0, 3.1), "intensity": "inverted"})
    assert plain.view.sdd == 1200
    assert (told.view.sdd, told.view.sad, *told.view.spacing) == pytest.approx((1100, 700, 3.0, 3.1))
    assert (told.image != plain.image).any()
    assert read_images([case.xray], {"mask": ["none"]})[0].mask.all()
    with pytest.raises(InputError, match="2 of --mask for 1 X-rays"):
        read_images([case.xray], {"mask": ["none", "auto"]})
    with pytest.raises(InputError, match="no frame 3"):
        read_images([case.xray], {"frame": 3})


def test_a_view_of_ones_own_is_of_the_calibration_or_of_numbers(case):
    assert camera_of({}).sdd == 1200
    camera = camera_of({"size": (20, 30), "spacing": (0.5, 0.6), "sdd": 1000.0, "sad": 600.0}, name="mine")
    assert (camera.height, camera.width, camera.sdd, camera.sad, camera.name) == (20, 30, 1000, 600, "mine")
    assert camera.spacing == pytest.approx((0.5, 0.6))
    assert camera_of({"view": case.truth}).height == 128
    with pytest.raises(InputError, match=r"--sdd is told by the calibration .*: leave it or --view out"):
        camera_of({"view": case.truth, "sdd": 1000.0})
    with pytest.raises(GeometryError):
        camera_of({"spacing": (0.0, 1.0)})


def test_the_nominal_pose_is_the_c_arms(case):
    camera = camera_of({"sad": 650.0})
    center = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    pose = nominal_pose(camera, (30.0, -10.0), NominalView(), center)
    torch.testing.assert_close(pose, carm.pose_from_angles(30.0, -10.0, 650.0, center))
