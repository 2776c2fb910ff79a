"""Patches' correlation against the definition, patch by patch; mixtures against their parts."""

from __future__ import annotations

import pytest
import torch

from SphericalRegLib.errors import InputError
from SphericalRegLib.similarity import NCC, Mixed, MutualInformation, PatchNCC
from Testing.Python.similarity.scenes import HEIGHT, WIDTH, jacobians, moving_images, picture

EVERYWHERE = torch.ones(HEIGHT, WIDTH).double()


def parameters() -> torch.Tensor:
    return 0.3 * torch.randn(2, 6, generator=torch.Generator().manual_seed(2)).double()


def test_one_patch_of_the_whole_image_is_the_images_correlation() -> None:
    """Of a patch so large that it holds all pixels from everywhere, with no floor."""
    x = parameters()
    weights = EVERYWHERE.expand(2, HEIGHT, WIDTH)
    whole = NCC().fix(picture(), EVERYWHERE).compare(moving_images(x), jacobians(x), weights)
    patch = PatchNCC(2 * WIDTH + 1, 1e-6).fix(picture(), EVERYWHERE).compare(moving_images(x), jacobians(x), weights)
    torch.testing.assert_close(patch.cost, whole.cost, rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(patch.gradient, whole.gradient, rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(patch.curvature, whole.curvature, rtol=1e-6, atol=1e-9)


def test_the_cost_is_the_mean_over_patches_of_the_published_one() -> None:
    """Each as 2 − 2 NCC of its pixels; patches at the border are smaller, and weigh as many pixels as they have."""
    size, x = 5, parameters()
    found = (
        PatchNCC(size, 1e-6)
        .fix(picture(), EVERYWHERE)
        .compare(moving_images(x), jacobians(x)[:, :0], EVERYWHERE.expand(2, HEIGHT, WIDTH))
    )
    half = size // 2
    for n, image in enumerate(moving_images(x)):
        total = weight = 0.0
        for v in range(HEIGHT):
            for u in range(WIDTH):
                rows, cols = slice(max(0, v - half), v + half + 1), slice(max(0, u - half), u + half + 1)
                a, b = (one[rows, cols].flatten() - one[rows, cols].mean() for one in (picture(), image))
                total += len(a) * float((a / a.norm() - b / b.norm()).square().sum())
                weight += len(a)
        assert float(found.cost[n]) == pytest.approx(total / weight, rel=1e-4)


def test_curvature_is_gauss_newtons_of_all_patches() -> None:
    size, x = 5, parameters()[:1]
    # away from the border, where unfold has no patch
    cost = PatchNCC(size, 1e-6).fix(picture(), EVERYWHERE)
    weights = EVERYWHERE[None]
    term = cost.compare(moving_images(x), jacobians(x), weights)
    step, half = 1e-5, size // 2

    def everything(at: torch.Tensor) -> torch.Tensor:
        image, parts, count = moving_images(at)[0], [], 0
        for v in range(HEIGHT):
            for u in range(WIDTH):
                cut = image[max(0, v - half) : v + half + 1, max(0, u - half) : u + half + 1].flatten()
                cut = cut - cut.mean()
                parts.append(len(cut) ** 0.5 * cut / cut.norm())
                count += len(cut)
        return torch.cat(parts) / count**0.5

    along = torch.stack(
        [(everything(x + step * e) - everything(x - step * e)) / (2 * step) for e in torch.eye(6).double()]
    )
    torch.testing.assert_close(term.curvature[0], 2 * along @ along.T, rtol=1e-4, atol=1e-6)


def test_a_flat_patch_amplifies_no_noise() -> None:
    flat = torch.zeros(HEIGHT, WIDTH).double()
    flat[:, WIDTH // 2 :] = picture()[:, WIDTH // 2 :]
    noise = 1e-3 * torch.randn(2, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(0)).double()
    fixed = PatchNCC(5).fix(flat + noise[0], EVERYWHERE)
    term = fixed.compare((flat + noise[1])[None], torch.zeros(1, 0, HEIGHT, WIDTH).double(), EVERYWHERE[None])
    assert float(term.cost) < 0.01


@pytest.mark.parametrize("size", [2, 1, 0, 12])
def test_a_patch_has_a_middle(size: int) -> None:
    with pytest.raises(InputError, match="an odd number of 3 or more"):
        PatchNCC(size)


class TestMixed:
    def test_is_the_weighted_sum_of_its_parts(self) -> None:
        x, weights = parameters(), EVERYWHERE.expand(2, HEIGHT, WIDTH)
        parts, shares = (NCC(), PatchNCC(5)), (0.3, 2.0)
        whole = Mixed(parts, shares).fix(picture(), EVERYWHERE).compare(moving_images(x), jacobians(x), weights)
        terms = [part.fix(picture(), EVERYWHERE).compare(moving_images(x), jacobians(x), weights) for part in parts]
        for name in ("cost", "gradient", "curvature", "magnitude"):
            expected = sum(share * getattr(term, name) for share, term in zip(shares, terms, strict=True))
            torch.testing.assert_close(getattr(whole, name), expected)

    def test_has_no_curvature_where_one_part_has_none(self) -> None:
        x, weights = parameters(), EVERYWHERE.expand(2, HEIGHT, WIDTH)
        mixed = Mixed((NCC(), MutualInformation()), (1.0, 1.0)).fix(picture(), EVERYWHERE)
        assert mixed.compare(moving_images(x), jacobians(x), weights).curvature is None

    def test_compares_only_where_all_parts_can(self) -> None:
        mixed = Mixed((NCC(), MutualInformation()), (1.0, 1.0))
        mask = EVERYWHERE.clone()
        mask[:4] = 0
        fixed = mixed.fix(picture(), mask)
        alone = MutualInformation().fix(picture(), mask).support
        assert torch.equal(fixed.support, alone.to(fixed.support))

    @pytest.mark.parametrize(("parts", "weights"), [((), ()), ((NCC(),), (1.0, 2.0)), ((NCC(),), (0.0,))])
    def test_refuses_other_weights_than_parts(self, parts: tuple, weights: tuple) -> None:
        with pytest.raises(InputError, match="give each one above 0"):
            Mixed(parts, weights)
