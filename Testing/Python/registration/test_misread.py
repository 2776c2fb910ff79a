"""A rejected registration tells which reading of the X-ray would fit."""

import dataclasses

import numpy as np
import pytest
import torch

from SphericalRegLib.cli.process.remedies import in_options
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.carm import pose_from_angles
from SphericalRegLib.geometry.view import View
from SphericalRegLib.imaging.volume import to_volume
from SphericalRegLib.initialization.search import SearchRange
from SphericalRegLib.io.ct import read_ct
from SphericalRegLib.registration import SYSTEMS, Case, Registration
from SphericalRegLib.registration.judging.misread import read_otherwise
from SphericalRegLib.sample import sample_path
from SphericalRegLib.simulation.case_xray import simulated_xray

NEAR = SYSTEMS["intensity"].searching(SearchRange(5.0, 10.0, 15.0), 8)


@pytest.fixture(scope="module")
def the_case():
    ct = read_ct(sample_path("pelvis_lumbar_3mm.nii.gz"))
    volume = to_volume(ct)
    # off its middle: a mirror image of the camera must mirror about the principal point
    view = View.from_spacing(256, 256, 1000.0, (1.4, 1.4), sad=700.0, principal_point=(120.0, 131.0))
    truth = pose_from_angles(170.0, 4.0, 700.0, volume.center)
    twist = torch.tensor([0.03, -0.05, 0.04, 8.0, -5.0, 10.0], dtype=torch.float64)
    start = se3.about(twist, truth, volume.center)
    return volume, simulated_xray(ct, view, truth, "mild", 5, occluder=False), start


def verdict_of(the_case, reversed_tone, mirrored):
    volume, xray, start = the_case
    registration = Registration(Case(volume, (read_otherwise(xray, reversed_tone, mirrored),), poses=start[None]), NEAR)
    stages = [step.stage for step in registration]
    return registration.result().verdict, stages


@pytest.mark.parametrize(
    ("reversed_tone", "mirrored", "words"),
    [
        (False, True, "Read as a mirror image the X-ray would fit"),
        (True, True, "Read as a mirror image, with bone bright for dark"),
    ],
)
def test_what_was_read_wrong_is_named(the_case, reversed_tone, mirrored, words):
    verdict, _ = verdict_of(the_case, reversed_tone, mirrored)
    assert verdict.words == "rejected"
    assert verdict.reasons[-1].startswith(words)


def test_a_wrong_tone_is_named_or_does_no_harm(the_case):
    """Near its place the tone-free residual registers a negative all the same."""
    verdict, _ = verdict_of(the_case, True, False)
    assert verdict.words != "rejected" or verdict.reasons[-1].startswith("Read with bone bright for dark")


def test_what_fits_is_not_asked(the_case):
    verdict, stages = verdict_of(the_case, False, False)
    assert verdict.words != "rejected"
    assert not any("misread" in stage for stage in stages)


def test_reading_otherwise_twice_is_reading_as_before(the_case):
    _, xray, _ = the_case
    twice = read_otherwise(read_otherwise(xray, True, True), True, True)
    assert abs(twice.image - xray.image).max() < 1e-4
    assert torch.equal(twice.view.intrinsics, xray.view.intrinsics)


def test_lead_that_was_read_as_air_is_left_out_of_the_negative(the_case):
    _, xray, _ = the_case
    columns = torch.arange(256).expand(256, 256).numpy()
    dense = xray.image.copy()
    dense[columns < 40] = xray.image.max() + 0.1 * (xray.image.max() - xray.image.min())
    told = dataclasses.replace(xray, image=dense.max() + dense.min() - dense, mask=np.ones((256, 256), bool))
    read = read_otherwise(told, True, False)
    assert not read.mask[:, :38].any()
    assert read.mask[xray.mask & (columns >= 44)].mean() > 0.9


def test_the_remedy_names_options_on_the_command_line():
    assert "give --mirrored, or" in in_options("would fit: give mirrored, or a view that says so.")
    assert "give --intensity as" in in_options("would fit: give intensity as it is")
