"""Residuals, Jacobians, invariances and masks of every similarity."""

import pytest
import torch

from SphericalRegLib.errors import InputError
from SphericalRegLib.similarity import NCC, LeastSquares, LocalNCC, ToneFreeGradient
from SphericalRegLib.similarity import SIMILARITIES as TABLE
from SphericalRegLib.similarity.gaussian import image_gradient
from SphericalRegLib.similarity.least_squares import unit_difference
from SphericalRegLib.similarity.weights import footprint, robust_weights
from Testing.Python.similarity.scenes import HEIGHT, WIDTH, jacobians, moving_images, picture

# every one of the table as it is by default, and one with several windows
SIMILARITIES = {name: entry.make() for name, entry in TABLE.items()} | {"two windows": LocalNCC(windows=(2.0, 4.0))}
SQUARES = [
    name
    for name, one in SIMILARITIES.items()
    if isinstance(one.fix(picture(), torch.ones(HEIGHT, WIDTH).double()), LeastSquares)
]
every_similarity = pytest.mark.parametrize("name", SIMILARITIES)
every_sum_of_squares = pytest.mark.parametrize("name", SQUARES)
everywhere = torch.ones(HEIGHT, WIDTH).double()


def parameters(batch: int = 2) -> torch.Tensor:
    return 0.3 * torch.randn(batch, 6, generator=torch.Generator().manual_seed(2)).double()


def uneven_weights(batch: int = 2) -> torch.Tensor:
    weights = torch.rand(batch, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(3)).double()
    weights[:, :4, :5] = 0
    return weights


def compared(similarity, images, xray=None, mask=everywhere, weights=None):
    """The cost of images (B, H, W) without Jacobian."""
    fixed = similarity.fix(picture() if xray is None else xray, mask)
    w = fixed.support.expand_as(images) if weights is None else weights
    return fixed.compare(images, images.new_zeros(len(images), 0, HEIGHT, WIDTH), w)


@every_sum_of_squares
def test_jacobian_is_the_derivative_at_fixed_weights(name):
    """The tone-free one too: its projection does not depend on the pose, so that Kaufman's form is exact."""
    fixed = SIMILARITIES[name].fix(picture(), everywhere)
    x, weights = parameters(), uneven_weights()
    residual = fixed.residual(moving_images(x), jacobians(x), weights)
    h = 1e-6
    for n in range(6):
        step = h * torch.eye(6).double()[n]
        ahead, behind = (fixed.residual(moving_images(x + s * step), jacobians(x), weights) for s in (1, -1))
        difference = (ahead.values - behind.values) / (2 * h)
        torch.testing.assert_close(residual.jacobian[:, n], difference, rtol=1e-6, atol=1e-8)
    term = fixed.compare(moving_images(x), jacobians(x), weights)
    torch.testing.assert_close(term.curvature, 2 * residual.jacobian @ residual.jacobian.mT)
    torch.testing.assert_close(term.cost, residual.values.square().sum(-1))


@every_similarity
def test_gradient_is_the_derivative_of_the_cost_at_fixed_weights(name):
    fixed = SIMILARITIES[name].fix(picture(), everywhere)
    x, weights = parameters(), uneven_weights()
    term = fixed.compare(moving_images(x), jacobians(x), weights)
    assert term.gradient.shape == (2, 6)
    h = 1e-6
    for n in range(6):
        step = h * torch.eye(6).double()[n]
        ahead, behind = (fixed.compare(moving_images(x + s * step), jacobians(x), weights).cost for s in (1, -1))
        torch.testing.assert_close(term.gradient[:, n], (ahead - behind) / (2 * h), rtol=1e-6, atol=1e-8)


@every_similarity
def test_any_number_of_parameters_may_be_asked_for(name):
    """Two bodies have twelve columns, a focal length adds one, and none is a cost alone."""
    fixed = SIMILARITIES[name].fix(picture(), everywhere)
    x, weights = parameters(), uneven_weights()
    columns = jacobians(x)
    six = fixed.compare(moving_images(x), columns, weights)
    for count in (0, 1, 13):
        more = torch.cat([columns, columns, columns[:, :1]], dim=1)[:, :count]
        term = fixed.compare(moving_images(x), more, weights)
        torch.testing.assert_close(term.cost, six.cost)
        assert term.gradient.shape == (2, count)
        torch.testing.assert_close(term.gradient[:, :6], six.gradient[:, :count])
        assert term.curvature is None or term.curvature.shape == (2, count, count)


@every_similarity
def test_a_batch_is_its_elements(name):
    fixed = SIMILARITIES[name].fix(picture(), everywhere)
    x, weights = parameters(3), uneven_weights(3)
    together = fixed.compare(moving_images(x), jacobians(x), weights)
    for n in range(3):
        one = slice(n, n + 1)
        alone = fixed.compare(moving_images(x[one]), jacobians(x[one]), weights[one])
        torch.testing.assert_close(alone.cost[0], together.cost[n])
        torch.testing.assert_close(alone.gradient[0], together.gradient[n])
        if alone.curvature is not None:
            torch.testing.assert_close(alone.curvature[0], together.curvature[n])
        torch.testing.assert_close(alone.magnitude[0], together.magnitude[n])


@every_similarity
@pytest.mark.parametrize(("gain", "offset"), [(3.0, 0.0), (0.2, 5.0), (1.0, -2.0)])
def test_brightness_and_contrast_do_not_count(name, gain, offset):
    images = moving_images(parameters())
    similarity = SIMILARITIES[name]
    expected = compared(similarity, images).cost
    torch.testing.assert_close(compared(similarity, gain * images + offset).cost, expected)
    torch.testing.assert_close(compared(similarity, images, gain * picture() + offset).cost, expected)
    assert (expected > 1e-3).all()


@every_sum_of_squares
def test_the_same_picture_costs_nothing(name):
    assert compared(SIMILARITIES[name], picture()[None]).cost < 1e-12


def test_ncc_is_pearsons_correlation():
    images = moving_images(parameters())
    for image, cost in zip(images, compared(NCC(), images).cost, strict=True):
        r = torch.corrcoef(torch.stack([image.flatten(), picture().flatten()]))[0, 1]
        torch.testing.assert_close(cost, 2 - 2 * r)


@pytest.mark.parametrize("curve", [(1.0,), (1.0, 0.3), (1.0, -0.2, 0.3), (1.0, 0.2, -0.3, 0.25)], ids=len)
def test_quartic_tone_curves_do_not_count_to_the_tone_free_gradient(curve):
    """A DRR whose gradient is p'(x̄)∇x, with x̄ the smoothed X-ray: no residual, for any p of the order or less.

    The image is smooth on a fine grid, so that smoothing and tone curve commute but for terms in sigma².
    """
    v, u = torch.meshgrid(torch.linspace(-1, 1, 60).double(), torch.linspace(-1, 1, 64).double(), indexing="ij")
    xray = torch.sin(1.5 * u + 0.4 * v) + 0.5 * torch.cos(2 * v - u)
    standard = xray / 1.5
    tone = sum(c * standard ** (n + 1) / (n + 1) for n, c in enumerate(curve))
    mask = torch.ones_like(xray)
    costs = {}
    for order in (1, 4):
        fixed = ToneFreeGradient(sigma=0.5, order=order).fix(xray, mask)
        costs[order] = float(fixed.compare(tone[None], tone.new_zeros(1, 0, 60, 64), fixed.support[None]).cost)
    assert costs[4] < 1e-4
    if len(curve) > 1:
        assert costs[4] < 0.02 * costs[1]


def test_tone_free_cost_is_the_unexplained_share_of_a_regression():
    fixed = ToneFreeGradient(1.0).fix(picture(), everywhere)
    x, weights = parameters(1), uneven_weights(1)
    y = (image_gradient(moving_images(x), 1.0)[0] * weights.sqrt()).flatten()
    basis = (fixed.basis.view(4, 2, HEIGHT, WIDTH) * weights.sqrt()).flatten(1).T
    left = y - basis @ torch.linalg.lstsq(basis, y[:, None]).solution[:, 0]
    cost = fixed.compare(moving_images(x), jacobians(x), weights).cost[0]
    torch.testing.assert_close(cost, left.square().sum() / y.square().sum())


@every_similarity
@pytest.mark.parametrize("garbage", [1e6, float("nan"), float("-inf")])
def test_what_is_outside_of_the_mask_does_not_count(name, garbage):
    mask = everywhere.clone()
    mask[:, :6] = 0
    mask[15:18, 10:14] = 0
    spoiled = torch.where(mask > 0, picture(), garbage)
    x = parameters()
    terms = []
    for xray in (picture(), spoiled):
        fixed = SIMILARITIES[name].fix(xray, mask)
        assert (fixed.support[mask == 0] == 0).all()
        assert fixed.support.sum() > 20
        terms.append(fixed.compare(moving_images(x), jacobians(x), fixed.support.expand(2, -1, -1)))
    for field in ("cost", "gradient"):
        torch.testing.assert_close(getattr(terms[0], field), getattr(terms[1], field))


@every_similarity
def test_weights_of_zero_leave_nothing_and_a_blank_drr_stays_finite(name):
    fixed = SIMILARITIES[name].fix(picture(), everywhere)
    x = parameters()
    nothing = fixed.compare(moving_images(x), jacobians(x), torch.zeros(2, HEIGHT, WIDTH).double())
    assert torch.isfinite(nothing.cost).all()
    assert torch.isfinite(nothing.gradient).all()
    blank = fixed.compare(torch.zeros(2, HEIGHT, WIDTH).double(), 0 * jacobians(x), fixed.support.expand(2, -1, -1))
    assert torch.isfinite(blank.cost).all()
    assert (blank.gradient == 0).all()


@every_sum_of_squares
def test_robust_weights_reject_an_occluder(name):
    """An instrument over a well-aligned picture loses its vote, and the rest keeps its own."""
    generator = torch.Generator().manual_seed(7)
    xray = picture() + 0.02 * torch.randn(HEIGHT, WIDTH, generator=generator).double()
    xray[8:10, 4:20] += 6
    fixed = SIMILARITIES[name].fix(xray, everywhere)
    support = fixed.support[None]
    weights = support
    for _ in range(8):
        term = fixed.compare(picture()[None], torch.zeros(1, 0, HEIGHT, WIDTH).double(), weights)
        weights = support * robust_weights(term.magnitude, support)
    far = torch.ones(HEIGHT, WIDTH, dtype=torch.bool)
    far[2:16] = False
    kept = weights[0][far].median()
    assert kept > 0.6
    if name == "ncc":
        assert weights[0, 8:10, 6:18].max() < 0.05
    # gradients see the instrument's edges only
    assert weights[0, 7:11, 4:20].mean() < 0.75 * kept
    assert weights[0, 7:11, 4:20].min() < 0.06


def test_robust_weights_are_geman_mcclures_and_do_not_see_pixels_without_support():
    magnitude = torch.tensor([[[1.0, 2.0, 3.0, 1e9]]]).double()
    support = torch.tensor([[[1.0, 1.0, 1.0, 0.0]]]).double()
    cutoff = 2.5 * 1.4826 * 2
    expected = (1 + (magnitude / cutoff) ** 2) ** -2
    torch.testing.assert_close(robust_weights(magnitude, support), expected)
    assert (robust_weights(torch.zeros(1, 2, 2), torch.ones(1, 2, 2)) == 1).all()
    assert torch.isfinite(robust_weights(magnitude, torch.zeros_like(support))).all()


def test_a_footprint_is_the_drr_and_its_neighborhood():
    image = torch.zeros(2, 9, 9)
    image[0, 4, 4], image[0, 0, 0] = 1.0, 0.01
    expected = torch.zeros(9, 9)
    expected[4, 4] = 1
    assert torch.equal(footprint(image, 0)[0], expected)
    expected[2:7, 2:7] = 1
    assert torch.equal(footprint(image, 2)[0], expected)
    assert (footprint(image, 2)[1] == 0).all()


def test_unit_difference_of_zero_vectors_is_finite():
    values, jacobian = unit_difference(torch.zeros(1, 5), torch.zeros(1, 6, 5), torch.ones(1, 5))
    torch.testing.assert_close(values, torch.full((1, 5), -(5**-0.5)))
    assert (jacobian == 0).all()


@every_similarity
def test_an_xray_that_cannot_be_matched_is_refused(name):
    similarity, xray = SIMILARITIES[name], picture()
    with pytest.raises(InputError, match=r"must be 2D and of one size"):
        similarity.fix(xray[None], everywhere[None])
    with pytest.raises(InputError, match=r"\(20, 24\) and mask \(3, 3\)"):
        similarity.fix(xray, torch.ones(3, 3))
    few = torch.zeros_like(xray)
    few[0, :15] = 1
    with pytest.raises(InputError, match="Only 15 pixels"):
        similarity.fix(xray, few)
    with pytest.raises(InputError, match="constant \\(4"):
        similarity.fix(torch.full_like(xray, 4), everywhere)
    with pytest.raises(InputError, match="NaN or infinity"):
        similarity.fix(torch.where(xray > xray.median(), torch.nan, xray), everywhere)
