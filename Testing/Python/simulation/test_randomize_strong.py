"""The stronger randomization does what its descriptions say."""

from __future__ import annotations

import torch

from SphericalRegLib.simulation.randomize import STRONGER, randomize
from SphericalRegLib.simulation.randomize_strong import beam_masks, exposure, instruments


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def ramps(count: int = 8) -> torch.Tensor:
    """(B, 48, 64) from 0 at the left to 0.9 at the right."""
    return torch.linspace(0, 0.9, 64).expand(count, 48, 64).clone()


def test_exposure_keeps_the_order_of_densities_and_squeezes_the_densest_by_scatter():
    images = ramps(64)
    found = exposure(images, seeded())
    assert torch.isfinite(found).all()
    columns = found.mean(1)
    assert (columns[:, 50] > columns[:, 20]).all()
    # scatter fills the shadow: what is densest looks less dense than it is, by more than air does
    assert float((images - found)[:, :, 56:].mean()) > float((images - found)[:, :, 8:16].mean().abs())


def test_noise_grows_where_fewer_quanta_arrive():
    found = exposure(ramps(64), seeded())
    rough = (found[:, 1:] - found[:, :-1]).square().mean((0, 1))
    assert float(rough[-8:].mean()) > 3 * float(rough[:8].mean())


def test_instruments_are_bright_and_leave_the_rest_alone():
    images = ramps(32)
    found = instruments(images, seeded())
    changed = found != images
    share = changed.flatten(1).float().mean(1)
    assert float(share.min()) > 0
    assert float(share.max()) < 0.35
    assert float(found[changed].min()) >= 0.9 * 0.9 * 0.9


def test_collimators_cut_edges_only_and_about_half_of_the_images():
    masks = beam_masks(400, 40, 40, seeded())
    assert set(masks.unique().tolist()) == {0.0, 1.0}
    assert bool((masks[:, 6:34, 6:34] == 1).all())
    cut = (masks == 0).flatten(1).any(1).float().mean()
    assert 0.4 < float(cut) < 0.6
    whole = beam_masks(5, 40, 40, seeded(), probability=0.0)
    assert bool((whole == 1).all())


def test_they_are_chosen_by_name_and_come_again_with_the_seed():
    images = ramps()
    first, second = (randomize(images, seeded(3), tuple(STRONGER), probability=1) for _ in range(2))
    assert torch.equal(first, second)
    assert not torch.equal(first, images)
