"""A model's file tells all that is needed to use it, and is refused where it does not fit."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec

import pytest
import torch

from SphericalRegLib.errors import CheckpointError
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.carm import pose_from_preset
from SphericalRegLib.geometry.view import View
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.imaging.fingerprint import fingerprint
from SphericalRegLib.networks.checkpoint import load_checkpoint, save_checkpoint
from SphericalRegLib.networks.encoder import Encoder
from SphericalRegLib.networks.model import Model, ModelCard, load_model
from SphericalRegLib.networks.regressor import PoseRegressor
from SphericalRegLib.networks.volume_network import volume_network

resource = pytest.importorskip("resource", reason="Windows does not tell a process's memory so")

pytestmark = pytest.mark.skipif(find_spec("timm") is None, reason="timm comes with the extra 'learned'")

VIEW = View.from_spacing(32, 32, 1000.0, (11.2, 11.2), sad=700.0)


def volume(seed: int = 0) -> Volume:
    density = 0.05 * torch.rand(1, 10, 12, 14, generator=torch.Generator().manual_seed(seed))
    matrix = torch.diag(torch.tensor([20.0, 20.0, 25.0, 1.0], dtype=torch.float64))
    matrix[:3, 3] = torch.tensor([-50.0, 80.0, 300.0])
    return Volume(density, matrix)


def card(**changes: object) -> ModelCard:
    options: dict[str, object] = {
        "name": "test",
        "created": "2026-01-01",
        "version": "0.1",
        "intrinsics": VIEW.intrinsics.tolist(),
        "height": 32,
        "width": 32,
        "sdd": 1000.0,
        "sad": 700.0,
        "nominal": pose_from_preset("AP", 700.0, torch.zeros(3, dtype=torch.float64)).tolist(),
        "truth": {"rotation_deg": 20.0, "in_plane_mm": 50.0, "depth_mm": 100.0},
        "reach": {"rotation_deg": 45.0, "in_plane_mm": 80.0, "depth_mm": 150.0},
        "history": {"loss": {"regressor": 0.5}},
    }
    return ModelCard(**(options | changes))  # type: ignore[arg-type]


def model(**changes: object) -> Model:
    torch.manual_seed(0)
    encoders = [Encoder(channels=4, width=16, blocks=1) for _ in range(2)]
    return Model(card(**changes), PoseRegressor(size=32), *encoders)


def test_a_model_comes_back_as_it_was_up_to_sixteen_bits(tmp_path):
    made = model(fingerprint=fingerprint(volume()))
    made.save(tmp_path / "m.safetensors")
    found = load_model(tmp_path / "m.safetensors")
    assert found.card == made.card
    images = torch.randn(2, 1, 32, 32, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(found.regressor(images).twists, made.regressor(images).twists, rtol=0.02, atol=0.02)
    torch.testing.assert_close(found.moving(images), made.moving(images), rtol=0.02, atol=0.02)
    torch.testing.assert_close(found.fixed(images), made.fixed(images), rtol=0.02, atol=0.02)
    assert not any(p.requires_grad for part in (found.regressor, found.moving, found.fixed) for p in part.parameters())
    assert (tmp_path / "m.safetensors").stat().st_size < 10_000_000


def test_parts_that_were_not_trained_stay_absent(tmp_path):
    Model(card(), moving=Encoder(4, 16, 1), fixed=Encoder(4, 16, 1)).save(tmp_path / "m.safetensors")
    assert load_model(tmp_path / "m.safetensors").regressor is None


@pytest.mark.parametrize("kind", ["equivariant", "plain"])
def test_a_volume_network_comes_back_with_its_kind_and_settings(kind, tmp_path):
    torch.manual_seed(0)
    network = volume_network(kind, radius=40.0)
    with torch.no_grad():
        for weight in network.parameters():
            weight += 0.1 * torch.randn_like(weight)
    Model(card(), moving=Encoder(4, 16, 1), fixed=Encoder(4, 16, 1), volume_network=network).save(tmp_path / "m")
    found = load_model(tmp_path / "m").volume_network
    assert (found.kind, found.settings) == (kind, network.settings)
    seen, expected = found(volume()).density, network(volume()).density
    torch.testing.assert_close(seen, expected, rtol=0.02, atol=1e-3)
    assert not torch.allclose(expected, volume().density, rtol=0.05)
    assert not any(p.requires_grad for p in found.parameters())


def test_the_nominal_pose_goes_with_the_isocenter():
    center = torch.tensor([30.0, -200.0, 1000.0], dtype=torch.float64)
    torch.testing.assert_close(card().nominal_pose(center), pose_from_preset("AP", 700.0, center))
    camera = se3.transform_points(card().nominal_pose(center), center[None])[0]
    torch.testing.assert_close(camera, torch.tensor([0.0, 0.0, 700.0], dtype=torch.float64))


def test_its_view_is_the_one_it_was_trained_for():
    view = card().view()
    assert torch.equal(view.intrinsics, VIEW.intrinsics)
    assert (view.height, view.width, view.sdd, view.sad) == (32, 32, 1000.0, 700.0)


def test_another_patient_is_refused_and_a_model_of_many_takes_any():
    specific = model(fingerprint=fingerprint(volume()))
    specific.check_ct(volume())
    with pytest.raises(CheckpointError, match=r"trained for another CT: their densities .*Train a model for this CT"):
        specific.check_ct(volume(seed=1))
    model().check_ct(volume(seed=1))


@pytest.mark.parametrize("change", ["lost", "reshaped", "unknown part", "unknown field"])
def test_a_file_whose_header_does_not_describe_it_is_refused(change, tmp_path):
    path = tmp_path / "m.safetensors"
    model().save(path)
    tensors, header = load_checkpoint(path, "model")
    if change == "lost":
        del tensors["moving.out.weight"]
    elif change == "reshaped":
        tensors["moving.out.weight"] = torch.zeros(3, 3)
    elif change == "unknown part":
        header["parts"]["oracle"] = {}
    else:
        header["card"]["mood"] = "good"
    save_checkpoint(path, "model", tensors, {k: header[k] for k in ("card", "parts")})
    with pytest.raises(CheckpointError, match=r"another architecture|does not describe a model"):
        load_model(path)


@pytest.mark.parametrize(
    ("part", "settings"),
    [
        ("moving", {"channels": 4, "width": 10**6, "blocks": 1, "heads": 4}),
        ("moving", {"channels": 1024, "width": 1024, "blocks": 64, "heads": 4}),
        ("moving", {"channels": 4, "width": 16, "blocks": 10**9, "heads": 4}),
        ("moving", {"channels": 4, "width": 16, "blocks": True, "heads": 4}),
        ("moving", {"channels": 4, "width": 16, "blocks": 1, "heads": 0}),
        ("moving", {"channels": 4, "width": 16, "blocks": 1, "color": "red"}),
        ("regressor", {"backbone": "posenet", "width": 1024, "size": 1024}),
        ("regressor", {"backbone": "swin", "width": 32, "size": 10**6}),
        ("regressor", {"backbone": ["resnet18"], "width": 32, "size": 32}),
        ("volume_network", {"kind": "plain", "radius": 6.0, "hidden": [10**6]}),
        ("volume_network", {"kind": "plain", "radius": 10**400, "hidden": [4]}),
        ("volume_network", {"kind": "equivariant", "radius": 6.0, "fields": [4, 2, 1], "layers": 10**9}),
        ("volume_network", {"kind": "plain", "radius": 6.0, "hidden": [4]}),
        ("moving", [1]),
    ],
)
def test_settings_that_do_not_fit_the_tensors_take_no_memory(part, settings, tmp_path):
    path = tmp_path / "m.safetensors"
    model().save(path)
    tensors, header = load_checkpoint(path, "model")
    header["parts"][part] = settings
    save_checkpoint(path, "model", tensors, header)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(CheckpointError, match=r"another architecture|cannot be built"):
        load_model(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000  # KiB; the largest would be 13 GB


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(value, tmp_path):
    path = tmp_path / "m.safetensors"
    model().save(path)
    tensors, header = load_checkpoint(path, "model")
    tensors["moving.out.weight"][0, 0] = value
    save_checkpoint(path, "model", tensors, header)
    with pytest.raises(CheckpointError, match=r"moving\.out\.weight are not finite"):
        load_model(path)


def test_weights_of_another_type_are_refused(tmp_path):
    path = tmp_path / "m.safetensors"
    model().save(path)
    tensors, header = load_checkpoint(path, "model")
    tensors["moving.out.weight"] = tensors["moving.out.weight"].long()
    save_checkpoint(path, "model", tensors, header)
    with pytest.raises(CheckpointError, match=r"moving\.out\.weight holds torch\.int64"):
        load_model(path)


@pytest.mark.parametrize(
    "change",
    [{"nominal": [[2.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]}, {"sad": 5000.0}, {"fingerprint": [1]}],
)
def test_a_card_that_is_impossible_is_refused(change, tmp_path):
    path = tmp_path / "m.safetensors"
    model().save(path)
    tensors, header = load_checkpoint(path, "model")
    save_checkpoint(path, "model", tensors, {**header, "card": header["card"] | change})
    with pytest.raises(CheckpointError, match="does not describe a model of ours"):
        load_model(path)


def test_a_checkpoint_of_another_kind_is_no_model(tmp_path):
    save_checkpoint(tmp_path / "c.safetensors", "encoder training", {"a": torch.zeros(1)}, {})
    with pytest.raises(CheckpointError, match="holds encoder training, where model"):
        load_model(tmp_path / "c.safetensors")


def test_a_copy_made_for_another_view_keeps_its_networks():
    made = model()
    assert replace(made, card=card(name="other")).regressor is made.regressor
