"""The volume network: identity at first, equivariant, kept with the CT, trained through image and Jacobian."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from scipy.ndimage import map_coordinates

from SphericalRegLib.errors import GeometryError, InputError
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.view import View
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.networks import Encoder
from SphericalRegLib.networks.steerable import Gate, SteerableConvolution, half_extent
from SphericalRegLib.networks.volume_network import VOLUME_NETWORKS, volume_network
from SphericalRegLib.rendering import linearize, render
from SphericalRegLib.similarity.learned import LearnedSimilarity
from SphericalRegLib.training.losses import step_loss
from Testing.Python.networks.phantoms import added, blobs, grid, lively
from Testing.Python.rendering.scenes import every_kernel

every_network = pytest.mark.parametrize("name", ["equivariant", "plain"])
#: The plane that a turn by 90° about each world axis turns: tensor dimensions of (C, K, J, I).
AXES = {"x": (1, 2), "y": (1, 3), "z": (2, 3)}
ISOTROPIC, ANISOTROPIC, FINE = (3.0, 3.0, 3.0), (2.5, 3.0, 4.5), (1.5, 3.0, 1.5)


def quarter_turned(volume: Volume, plane: tuple[int, int]) -> Volume:
    """The scene turned by 90°: the same voxels, along other axes, with their spacing."""
    order = [0, 1, 2, 3]
    order[plane[0]], order[plane[1]] = order[plane[1]], order[plane[0]]
    spacing = [float(volume.spacing[3 - order[3 - axis]]) for axis in range(3)]
    frame = torch.diag(torch.tensor([*spacing, 1.0]).double())
    return Volume(torch.rot90(volume.density, 1, plane), frame)


def error_of_turning(network, volume: Volume, plane: tuple[int, int]) -> float:
    """‖Ψ(turned V) − turned Ψ(V)‖ / ‖Ψ(V)‖."""
    first, second = added(network, volume), added(network, quarter_turned(volume, plane))
    return float((second - torch.rot90(first, 1, plane)).norm() / first.norm())


def error_on_blobs(network, spacing: tuple[float, float, float]) -> float:
    """The same for blobs turned by 40° about an oblique axis, within 38 mm of the middle."""
    axis = torch.tensor([1.0, 2.0, -1.5]).double()
    turn = se3.so3_exp(math.radians(40) * axis / axis.norm())
    straight, points = blobs(spacing, torch.eye(3).double())
    turned, _ = blobs(spacing, turn)
    first, second = added(network, straight)[0], added(network, turned)[0]
    frame = straight.world_from_voxel
    there = (points @ turn - frame[:3, 3]) @ torch.linalg.inv(frame[:3, :3]).T
    expected = torch.from_numpy(map_coordinates(first.numpy(), there.flip(-1).movedim(-1, 0).numpy(), order=5))
    inside = points.norm(dim=-1) < 38
    return float((second - expected)[inside].norm() / expected[inside].norm())


@pytest.mark.parametrize("name", VOLUME_NETWORKS)
def test_it_starts_as_the_identity_exactly(name):
    volume = grid(ANISOTROPIC)
    learned = volume_network(name)(volume)
    assert torch.equal(learned.density, volume.density)
    assert torch.equal(learned.world_from_voxel, volume.world_from_voxel)
    assert torch.equal(learned.center, volume.center)


@pytest.mark.parametrize("spacing", [ISOTROPIC, ANISOTROPIC, FINE], ids=["isotropic", "anisotropic", "averaged"])
@pytest.mark.parametrize("axis", AXES)
def test_a_quarter_turn_of_the_ct_turns_the_correction_to_rounding(axis, spacing):
    """Measured: below 1e-15."""
    assert error_of_turning(lively("equivariant"), grid(spacing), AXES[axis]) < 1e-12


@pytest.mark.parametrize("axis", AXES)
def test_a_quarter_turn_in_single_precision(axis):
    """Measured: 3e-7."""
    volume = grid(ISOTROPIC).to(dtype=torch.float32)
    assert error_of_turning(lively("equivariant").float(), volume, AXES[axis]) < 5e-6


@pytest.mark.parametrize("axis", AXES)
def test_the_plain_network_fails_a_quarter_turn(axis):
    assert error_of_turning(lively("plain"), grid(ISOTROPIC), AXES[axis]) > 0.3


@pytest.mark.parametrize(
    ("spacing", "bound"),
    [(ISOTROPIC, 0.02), (ANISOTROPIC, 0.1), ((2.0, 2.5, 4.0), 0.15)],
    ids=["isotropic", "anisotropic", "averaged along i"],
)
@pytest.mark.parametrize("seed", range(5))
def test_an_arbitrary_turn_of_a_smooth_phantom_turns_the_correction(spacing, bound, seed):
    """Measured: 0.1 to 1.6 %, 1.6 to 8 %, and 1.3 to 11 % where 2 mm are averaged to 4."""
    assert error_on_blobs(lively("equivariant", seed), spacing) < bound


@pytest.mark.parametrize("spacing", [ISOTROPIC, ANISOTROPIC], ids=["isotropic", "anisotropic"])
def test_the_plain_network_fails_an_arbitrary_turn(spacing):
    assert error_on_blobs(lively("plain"), spacing) > 0.4


def test_the_frame_of_the_world_does_not_matter():
    """The kernels' algebra alone, at an angle that no grid has: the same voxels in a turned or mirrored frame."""
    network, volume = lively("equivariant"), grid(ANISOTROPIC)
    straight = added(network, volume)
    turn = se3.exp(torch.tensor([0.7, -0.4, 1.1, 30.0, -20.0, 10.0]).double())
    torch.testing.assert_close(
        added(network, replace(volume, world_from_voxel=turn @ volume.world_from_voxel)), straight
    )
    flip = torch.diag(torch.tensor([-1.0, 1.0, 1.0, 1.0]).double())
    stored = Volume(volume.density.flip(3), volume.world_from_voxel @ flip)
    torch.testing.assert_close(added(network, stored).flip(3), straight)


def test_voxels_of_other_sizes_see_the_same_anatomy():
    """Millimeters, not voxels: the correction of one phantom on two grids, at the positions that they share."""
    network, upright = lively("equivariant"), torch.eye(3).double()
    coarse, fine = (added(network, blobs(spacing, upright)[0])[0] for spacing in (ISOTROPIC, (3.0, 3.0, 2.25)))
    middle = slice(8, 25)
    positions = 16 + (torch.arange(fine.shape[0]) - 21) * 2.25 / 3
    at = torch.stack(torch.meshgrid(positions, torch.arange(33.0), torch.arange(33.0), indexing="ij"))
    expected = torch.from_numpy(map_coordinates(coarse.numpy(), at.numpy(), order=5))
    inner = (slice(8, 35), middle, middle)
    assert (fine[inner] - expected[inner]).norm() < 0.05 * expected[inner].norm()


@every_network
def test_finer_voxels_are_averaged_and_the_correction_is_interpolated_where_it_belongs(name):
    network, coarse = lively(name), grid(ISOTROPIC, (6, 7, 8))
    density = coarse.density.repeat_interleave(2, 1).repeat_interleave(3, 3)[:, :-1]
    step = torch.diag(torch.tensor([1 / 3, 1.0, 1 / 2, 1.0]).double())
    step[:3, 3] = torch.tensor([-1 / 3, 0.0, -1 / 4])
    fine = Volume(density, coarse.world_from_voxel @ step)
    # the last slice is missing: half of its cell is air
    coarse.density[:, -1] /= 2
    at = torch.meshgrid((torch.arange(11) - 0.5) / 2, torch.arange(7.0), (torch.arange(24) - 1.0) / 3, indexing="ij")
    expected = map_coordinates(added(network, coarse)[0].numpy(), torch.stack(at).numpy(), order=1, mode="nearest")
    torch.testing.assert_close(added(network, fine)[0], torch.from_numpy(expected))


def test_vectors_and_tensors_take_part():
    volume = grid(ISOTROPIC)
    whole = added(lively("equivariant"), volume)
    for path in ("011", "022"):
        muted = lively("equivariant")
        muted.convolutions[-1].weights[path].zero_()
        assert (added(muted, volume) - whole).norm() > 1e-2 * whole.norm()


@every_network
def test_nothing_appears_where_there_is_nothing(name):
    density = torch.zeros(2, 24, 24, 24).double()
    density[0, 10:14, 10:14, 10:14] = 0.04
    result = added(lively(name), Volume(density, grid(ISOTROPIC).world_from_voxel))
    assert result[0, 12, 12, 12] != 0
    assert (result[0, :3] == 0).all()
    assert (result[1] == 0).all()


@every_network
def test_blocks_are_the_whole(name, monkeypatch):
    network, volume = lively(name), grid(ANISOTROPIC, (23, 6, 7))
    whole = added(network, volume)
    thickness = []

    def watched(density, linear):
        thickness.append(density.shape[2])
        return real(density, linear)

    real = network.correction
    monkeypatch.setattr(network, "correction", watched)
    monkeypatch.setattr(network, "block", 5 * 6 * 7 * network.width)
    torch.testing.assert_close(added(network, replace(volume)), whole)
    margin = network.reach(volume.world_from_voxel[:3, :3])
    assert thickness == [min(23, top + 5 + margin) - max(0, top - margin) for top in range(0, 23, 5)]


class TestItRunsOncePerCT:
    def test_and_is_kept_with_the_ct(self):
        network, volume = lively("equivariant"), grid(ISOTROPIC)
        assert network(volume) is network(volume)
        assert network(volume).coarsened((2, 2, 2)) is network(volume).coarsened((2, 2, 2))
        assert lively("equivariant")(volume) is not network(volume)

    def test_until_the_density_changes(self):
        network, volume = lively("equivariant"), grid(ISOTROPIC)
        before = network(volume)
        volume.density.mul_(2)
        after = network(volume)
        assert after is not before
        assert torch.equal(after.density, network(replace(volume, density=volume.density.clone())).density)

    def test_until_the_weights_change(self):
        network, volume = lively("equivariant"), grid(ISOTROPIC)
        before = network(volume)
        other = lively("equivariant", seed=3)
        network.load_state_dict(other.state_dict())
        assert torch.equal(network(volume).density, other(volume).density)
        assert not torch.equal(network(volume).density, before.density)

    def test_but_never_where_gradients_are_wanted(self):
        network, volume = lively("equivariant").requires_grad_(True), grid(ISOTROPIC)
        first, second = network(volume), network(volume)
        assert first is not second
        assert first.density.requires_grad
        with torch.no_grad():
            assert not network(volume).density.requires_grad
        assert torch.equal(network(volume).density, first.density)


def compared(network, volume, kernel):
    """The loss of one Levenberg-Marquardt step from DRRs of V + Ψ(V), and what it is computed from."""
    view = View.from_spacing(16, 16, 1000.0, (3.0, 3.0))
    frontal = se3.translation(torch.tensor([0.0, 0.0, 700.0]).double()) @ se3.translation(-volume.center)
    truths = frontal.expand(2, 4, 4)
    twists = torch.tensor([[0.05, -0.1, 0.08, 2.0, -3.0, 9.0], [-0.1, 0.05, 0.1, -2.0, 1.0, -9.0]]).double()
    poses = se3.about(twists, truths, volume.center)
    with torch.no_grad():
        xrays = render(volume, view, truths, samples=24, kernel=kernel).sum(1)
    torch.manual_seed(1)
    encoders = [Encoder(channels=4, width=16, blocks=1).double().requires_grad_(False) for _ in range(2)]
    image, columns = linearize(network(volume), view, poses, samples=24, kernel=kernel)
    mask = torch.ones(16, 16).double()

    def loss(drrs, jacobians):
        found = LearnedSimilarity(*encoders).fix_batch(xrays, mask).residual(drrs, jacobians, mask.expand_as(drrs))
        return step_loss(found, se3.difference_about(truths, poses, volume.center), 0.1).mean()

    return image.sum(1), columns.sum(1), loss


@every_kernel
@every_network
def test_a_loss_reaches_the_weights_through_image_and_jacobian(name, kernel):
    network = lively(name).requires_grad_(True)
    volume = grid(ISOTROPIC, (6, 7, 8))
    image, columns, loss = compared(network, volume, kernel)
    weights = list(network.parameters())
    gradients = torch.autograd.grad(loss(image, columns), weights, retain_graph=True)
    assert all((g != 0).any() for g in gradients)
    for parts in ((image.detach(), columns), (image, columns.detach())):
        alone = torch.autograd.grad(loss(*parts), weights, retain_graph=True)
        assert all((g != 0).any() for g in alone)
    step = 1e-5
    for weight, gradient in zip(weights, gradients, strict=True):
        at = int(gradient.abs().argmax())
        ends = []
        with torch.no_grad():
            for move in (step, -2 * step):
                weight.view(-1)[at] += move
                image, columns, loss = compared(network, volume, kernel)
                ends.append(float(loss(image, columns)))
            weight.view(-1)[at] += step
        assert float(gradient.view(-1)[at]) == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-5, abs=1e-8)


def test_a_fresh_network_learns_from_its_zero_layer_on():
    """At first only the last layer, zero as it is, has a gradient; after one step every weight has."""
    torch.manual_seed(0)
    network, volume = volume_network("equivariant").double(), grid(ISOTROPIC, (6, 7, 8))
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    for first_step in (True, False):
        image, columns, loss = compared(network, volume, "auto")
        optimizer.zero_grad()
        loss(image, columns).backward()
        alive = [bool((p.grad != 0).any()) for p in network.parameters()]
        last = {id(p) for p in network.convolutions[-1].parameters()}
        expected = [id(p) in last or not first_step for p in network.parameters()]
        assert alive == expected
        optimizer.step()


@pytest.mark.parametrize(
    ("name", "settings"),
    [("equivariant", {"radius": 9.0, "fields": (2, 1, 1), "layers": 2}), ("plain", {"hidden": (2, 3)}), ("none", {})],
    ids=["equivariant", "plain", "none"],
)
def test_its_settings_rebuild_it(name, settings):
    first = volume_network(name, **settings)
    second = volume_network(name, **json.loads(json.dumps(first.settings)))
    second.load_state_dict(first.state_dict())
    assert second.settings == first.settings
    assert torch.equal(second(grid(ISOTROPIC)).density, first(grid(ISOTROPIC)).density)


def test_what_cannot_be_built_says_why():
    with pytest.raises(InputError, match=r"no volume network 'unet': choose from equivariant, plain, none"):
        volume_network("unet")
    with pytest.raises(InputError, match="'plain' cannot be built"):
        volume_network("plain", fields=(1, 1, 1))
    for settings in ({"fields": (0, 1, 1)}, {"fields": (4, 2)}, {"layers": 1}):
        with pytest.raises(InputError, match="at least two layers"):
            volume_network("equivariant", **settings)
    with pytest.raises(InputError, match="radius is in mm, above 0 and finite, not 0"):
        volume_network("plain", radius=0.0)
    with pytest.raises(InputError, match="hidden layers"):
        volume_network("plain", hidden=())


def test_voxels_coarser_than_the_kernel_are_refused():
    with pytest.raises(GeometryError, match=r"Voxels of 3, 3, 8 mm are too coarse.*radius of 6 mm.*'none'"):
        volume_network("equivariant")(grid((3.0, 3.0, 8.0)))


def test_a_kernel_reaches_as_far_in_millimeters_along_every_axis():
    frame = se3.so3_exp(torch.tensor([0.4, 0.2, -0.3]).double())
    assert half_extent(frame @ torch.diag(torch.tensor([1.0, 2.0, 4.0]).double()), 6.5) == (1, 3, 6)
    assert half_extent(torch.diag(torch.tensor([3.0, 3.0, 3.0]).double()), 6.0) == (1, 1, 1)


def test_a_layer_maps_vectors_to_vectors_that_turn_with_the_world():
    """One steerable layer by itself: a constant field of vectors, divergence-free, comes out along itself."""
    torch.manual_seed(0)
    layer = SteerableConvolution((0, 1, 0), (0, 1, 0), 6.0).double().requires_grad_(False)
    vector = torch.tensor([0.3, -0.5, 0.9]).double()
    maps = vector[None, :, None, None, None].expand(1, 3, 7, 7, 7)
    center = layer(maps, 3 * torch.eye(3).double())[0, :, 3, 3, 3]
    assert torch.linalg.cross(center, vector).norm() < 1e-12 * center.norm()
    assert center.norm() > 0.01


def test_a_gate_leaves_the_direction_of_vectors():
    torch.manual_seed(0)
    gate = Gate((1, 1, 0))
    maps = torch.randn(1, 5, 2, 2, 2)
    result = gate(maps)
    assert result.shape == (1, 4, 2, 2, 2)
    torch.testing.assert_close(result[:, 1:], maps[:, 2:] * torch.sigmoid(maps[:, 1:2]))


def test_without_e3nn_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "e3nn", None)
    with pytest.raises(InputError, match=r"needs e3nn.*pip install 'sphericalreg\[learned\]'"):
        volume_network("equivariant")
    volume_network("plain")


def test_e3nn_is_not_imported_before_it_is_needed():
    code = (
        "import sys; from SphericalRegLib.networks.volume_network import volume_network as v; v('plain'); "
        "sys.exit('e3nn' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
