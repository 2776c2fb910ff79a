"""Levels by name: reproducible, within their ranges, harder one after the other, and mild as it always was."""

from __future__ import annotations

import numpy as np
import pytest

from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry.view import View
from SphericalRegLib.imaging.ct import CT
from SphericalRegLib.simulation.degrade import Degradations, random_degradations
from SphericalRegLib.simulation.levels import CLINICAL, HARSH, LEVELS, Ranges, level_named

VIEW = View.from_spacing(64, 64, 1000.0, (5.6, 5.6), sad=700.0)


@pytest.fixture(scope="module")
def ct() -> CT:
    hu = np.full((20, 24, 30), -1000.0, np.float32)
    hu[:, 4:20, 5:25] = 20
    return CT(hu, np.diag([8.0, 8.0, 8.0, 1.0]))


def draws(name: str, ct: CT, count: int = 200) -> list[Degradations]:
    return [LEVELS[name].draw(np.random.default_rng(seed), VIEW, ct, seed % 2 == 0) for seed in range(count)]


def test_mild_draws_what_it_always_drew(ct: CT) -> None:
    for seed in range(5):
        drawn = LEVELS["mild"].draw(np.random.default_rng(seed), VIEW, ct, True)
        assert drawn == random_degradations(np.random.default_rng(seed), VIEW, True)


@pytest.mark.parametrize(("name", "ranges"), [("clinical", CLINICAL), ("harsh", HARSH)])
def test_draws_are_reproducible_and_use_their_ranges(name: str, ranges: Ranges, ct: CT) -> None:
    drawn = draws(name, ct)
    assert drawn == draws(name, ct)
    for values, (low, high) in (
        ([d.scatter.ratio for d in drawn if d.scatter], ranges.scatter_ratio),
        ([d.glare.share for d in drawn if d.glare], ranges.glare),
        ([d.soft_tissue.shift_mm for d in drawn if d.soft_tissue], ranges.shift_mm),
        ([d.beam.vignette for d in drawn if d.beam], ranges.vignette),
    ):
        assert len(values) == len(drawn)
        assert low <= min(values) < low + 0.1 * (high - low)
        assert high >= max(values) > high - 0.1 * (high - low)
    assert {d.bits for d in drawn} == {8, 10, 12, 16}
    shown = [d.display for d in drawn if d.display]
    assert {type(s.curve).__name__ for s in shown} == {"Gamma", "Sigmoid", "Piecewise"}
    assert {s.bone_bright for s in shown} == {True, False}
    assert {s.shutter for s in shown} == {"black", "white", None}
    assert 0.05 < np.mean([d.display is None for d in drawn]) < 0.25
    assert np.mean([bool(d.slabs) for d in drawn]) == pytest.approx(ranges.table, abs=0.1)


def test_levels_follow_one_another() -> None:
    assert list(LEVELS) == ["mild", "clinical", "harsh"]
    assert CLINICAL.scatter_ratio[1] <= HARSH.scatter_ratio[1] == 1.2
    assert CLINICAL.quanta[0] > HARSH.quanta[0]


def test_an_unknown_level_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(InputError, match=r"'easy'.*mild, clinical, harsh"):
        level_named("easy")
