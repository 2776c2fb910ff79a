"""X-rays of a level as a reader gets them: bright = dense, and the same for a seed."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry.carm import pose_from_preset
from SphericalRegLib.geometry.view import View
from SphericalRegLib.imaging.ct import CT
from SphericalRegLib.simulation.case_xray import simulated_xray, taken

VIEW = View.from_spacing(48, 56, 1000.0, (6.0, 6.0), sad=700.0)
POSE = pose_from_preset("AP", 700.0, torch.zeros(3))


@pytest.fixture(scope="module")
def ct() -> CT:
    """A body with a spine, and a gap of air all around."""
    _, j, i = np.mgrid[:30, :40, :50].astype(float)
    hu = np.where(((j - 19.5) / 16) ** 2 + ((i - 24.5) / 20) ** 2 < 1, 30, -1000).astype(np.float32)
    hu[:, 8:14, 22:28] = 700
    grid = np.diag([5.0, 5.0, 6.0, 1.0])
    grid[:3, 3] = [-122.5, -97.5, -87.0]
    return CT(hu, grid)


@pytest.mark.parametrize("level", ["mild", "clinical", "harsh"])
def test_an_xray_is_the_same_for_a_seed_and_bright_where_dense(ct: CT, level: str) -> None:
    for seed in range(6):
        xray, again = (simulated_xray(ct, VIEW, POSE, level, seed) for _ in range(2))
        np.testing.assert_array_equal(xray.image, again.image)
        torch.testing.assert_close(xray.view.intrinsics, VIEW.intrinsics)
        truth = taken(ct, VIEW, POSE, level, seed, occluder=None)
        shown = truth.valid & ~truth.occluded
        depth = truth.primary[..., :2].sum(axis=2)
        body = shown & (depth > 5)
        likeness = np.corrcoef(xray.image[body], np.log(depth[body]))[0, 1]
        assert likeness > 0.2, f"{level} {seed}: {likeness}"


def test_seeds_and_levels_differ(ct: CT) -> None:
    first = taken(ct, VIEW, POSE, "clinical", 1).intensity
    assert (first != taken(ct, VIEW, POSE, "clinical", 2).intensity).any()
    assert (first != taken(ct, VIEW, POSE, "harsh", 1).intensity).any()
    with pytest.raises(InputError, match="seed is -1"):
        taken(ct, VIEW, POSE, "clinical", -1)


def test_instruments_are_there_when_asked_for(ct: CT) -> None:
    for seed in range(4):
        with_wires, without = (taken(ct, VIEW, POSE, "clinical", seed, occluder) for occluder in (True, False))
        assert len(with_wires.degradations.instruments) >= 2
        assert with_wires.occluded.sum() > without.occluded.sum()
