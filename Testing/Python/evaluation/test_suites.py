"""The studies draw truths and starts from their own ranges."""

from __future__ import annotations

import pytest
import torch

from SphericalRegLib.errors import InputError
from SphericalRegLib.evaluation.cases import capture_view, draw_case
from SphericalRegLib.evaluation.suites import SUITES, suite_named
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.carm import pose_from_preset

CENTER = torch.tensor([4.0, 160.0, 260.0], dtype=torch.float64)
VIEW = capture_view()


def largest(suite: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Of truths off AP and starts off truths, degrees and mm."""
    ap = pose_from_preset("AP", 700.0, CENTER)
    cases = [draw_case(n, 0, VIEW, CENTER, SUITES[suite]) for n in range(150)]
    truths = torch.stack([se3.difference_about(c.truth, ap, CENTER) for c in cases]).abs().amax(0)
    starts = torch.stack([se3.difference_about(c.start, c.truth, CENTER) for c in cases]).abs().amax(0)
    unit = torch.tensor([180 / torch.pi] * 3 + [1.0] * 3, dtype=torch.float64)
    return truths * unit, starts * unit


@pytest.mark.parametrize("suite", sorted(SUITES))
def test_truths_and_starts_fill_the_ranges_that_are_declared(suite):
    study = SUITES[suite]
    truths, starts = largest(suite)
    pairs = [(truths, study.truth)] + ([] if study.start is None else [(starts, study.start)])
    for found, extent in pairs:
        limit = torch.tensor([extent.rotation_deg] * 3 + [extent.in_plane_mm] * 2 + [extent.depth_mm])
        assert (found <= limit * 1.1).all(), (found, limit)
        assert (found >= limit * 0.85).all(), (found, limit)


def test_blind_tells_registration_nothing_but_the_view():
    ap = pose_from_preset("AP", 700.0, CENTER)
    assert all(torch.equal(draw_case(n, 1, VIEW, CENTER, SUITES["blind"]).start, ap) for n in range(3))
    assert SUITES["blind"].search == SUITES["blind"].truth


def test_an_unknown_suite_is_refused_by_name():
    with pytest.raises(InputError, match="no suite 'easy': choose from capture, blind, wide, bones, agnostic"):
        suite_named("easy")
