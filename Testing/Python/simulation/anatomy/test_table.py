"""Table and cushions: exact path lengths, whatever their pose, and a place behind the patient."""

from __future__ import annotations

import numpy as np
import pytest

from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry.carm import pose_from_preset
from SphericalRegLib.geometry.view import View
from SphericalRegLib.simulation.anatomy.table import Slab, random_table, slab_integrals
from SphericalRegLib.simulation.siddon import line_integrals

VIEW = View.from_spacing(40, 50, 1000.0, (8.0, 8.0), sad=700.0)
UPRIGHT = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))


def patient() -> tuple[np.ndarray, np.ndarray]:
    hu = np.full((20, 24, 30), -1000.0)
    hu[:, 4:20, 5:25] = 20
    grid = np.diag([10.0, 10.0, 10.0, 1.0])
    grid[:3, 3] = [-145.0, -115.0, -95.0]
    return hu, grid


@pytest.mark.parametrize("preset", ["AP", "PA", "left lateral"])
@pytest.mark.parametrize("subpixels", [1, 2])
def test_a_slab_of_water_is_the_ct_of_that_box(preset: str, subpixels: int) -> None:
    hu = np.zeros((10, 10, 10))
    grid = np.diag([20.0, 6.0, 30.0, 1.0])
    grid[:3, 3] = [-90.0, -27.0, -135.0]
    pose = pose_from_preset(preset, 700.0, VIEW.intrinsics.new_zeros(3)).numpy()
    slab = Slab((0.0, 0.0, 0.0), UPRIGHT, (200.0, 60.0, 300.0), 1.0)
    exact = line_integrals(hu, grid, VIEW, pose, subpixels=subpixels)[..., 0]
    np.testing.assert_allclose(slab_integrals((slab,), VIEW, pose, subpixels), exact, atol=1e-9)


def test_slabs_add_up_and_do_not_reach_beyond_the_detector() -> None:
    pose = np.eye(4)
    pose[2, 3] = 700.0
    wide = Slab((0.0, 0.0, 0.0), UPRIGHT, (1000.0, 1000.0, 10.0), 0.5)
    middle = slab_integrals((wide, wide), VIEW, pose)[20, 25]
    assert middle == pytest.approx(2 * 0.5 * 1.0, rel=1e-3)
    behind = Slab((0.0, 0.0, 400.0), UPRIGHT, (1000.0, 1000.0, 10.0), 0.5)
    assert slab_integrals((behind,), VIEW, pose).max() == 0


def test_random_tables_lie_behind_or_before_the_patient_and_attenuate_as_tables_do() -> None:
    hu, grid = patient()
    pose = pose_from_preset("AP", 700.0, VIEW.intrinsics.new_zeros(3)).numpy()
    sides = []
    for seed in range(30):
        slabs = random_table(np.random.default_rng(seed), hu, grid)
        assert slabs == random_table(np.random.default_rng(seed), hu, grid)
        heights = np.array([slab.center[1] for slab in slabs])
        # the body reaches from -80 to 80 mm
        assert (heights < -80).all() or (heights > 80).all()
        sides.append(heights[0] < 0)
        through = slab_integrals(slabs, VIEW, pose)[20, 25]
        assert 0.1 < through < 1.3
    assert 0.7 < np.mean(sides) < 1


def test_impossible_slabs_are_refused() -> None:
    with pytest.raises(InputError, match="orthonormal"):
        Slab((0.0, 0.0, 0.0), ((1.0, 1.0, 0.0), *UPRIGHT[1:]), (1.0, 1.0, 1.0), 1.0)
    with pytest.raises(InputError, match="size above 0"):
        Slab((0.0, 0.0, 0.0), UPRIGHT, (1.0, 0.0, 1.0), 1.0)
