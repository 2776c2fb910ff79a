"""Rays are the same wherever they are made, one pose or many."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
import torch
from torch import Tensor

from SphericalRegLib.geometry.view import View
from SphericalRegLib.rendering import rays as rays_module
from SphericalRegLib.rendering.rays import Rays, cast_rays
from Testing.Python.rendering.scenes import facing, mirrored_view, noisy_volume

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else []), *(["mps"] if torch.mps.is_available() else [])]


def tensors(rays: Rays) -> dict[str, Tensor]:
    return {f.name: getattr(rays, f.name) for f in fields(rays) if isinstance(getattr(rays, f.name), Tensor)}


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("poses_on", DEVICES)
def test_rays_are_made_on_the_device_that_is_asked_for(device, poses_on):
    volume, view = noisy_volume(), mirrored_view()
    poses = facing(volume, view)
    expected = tensors(cast_rays(volume, view, poses))
    poses = poses.to(poses_on, torch.float32 if poses_on == "mps" else torch.float64)
    for name, value in tensors(cast_rays(volume, view, poses, device)).items():
        assert value.device.type == device
        assert value.dtype == (torch.float32 if device == "mps" else torch.float64)
        exact = "mps" not in (device, poses_on)
        close = {"rtol": 1e-12, "atol": 1e-9} if exact else {"rtol": 1e-5, "atol": 1e-2}
        torch.testing.assert_close(value.cpu().double(), expected[name], **close)


def test_where_there_is_no_float64_rays_are_computed_on_the_cpu_and_rounded(monkeypatch):
    volume, view = noisy_volume(), mirrored_view()
    poses = facing(volume, view)
    expected = tensors(cast_rays(volume, view, poses))
    # a device without it is not on every machine: the CPU plays one
    monkeypatch.setattr(rays_module, "has_float64", lambda device: False)
    for name, value in tensors(cast_rays(volume, view, poses, "cpu")).items():
        assert value.dtype == torch.float32
        assert torch.equal(value, expected[name].float())


def test_apple_alone_has_no_float64():
    assert [rays_module.has_float64(device) for device in ("cpu", "cuda:1", "mps")] == [True, True, False]


@pytest.mark.parametrize("views", ["one", "each"])
def test_a_batch_is_its_poses_one_by_one(views):
    volume, view = noisy_volume(), mirrored_view(5, 6)
    both = [view, View.from_spacing(5, 6, 1100.0, (9.0, 8.0))] if views == "each" else [view, view]
    poses = facing(volume, view)
    together = cast_rays(volume, both if views == "each" else view, poses)
    assert (together.batch, together.height, together.width) == (2, 5, 6)
    for n in range(2):
        alone = cast_rays(volume, both[n], poses[n : n + 1])
        for name, value in tensors(alone).items():
            torch.testing.assert_close(tensors(together)[name][n : n + 1], value, rtol=1e-12, atol=1e-12)


def test_moved_rays_keep_all_else():
    volume, view = noisy_volume(), mirrored_view(5, 6)
    rays = cast_rays(volume, view, facing(volume, view))
    moved = rays.to("meta")
    assert all(value.device.type == "meta" for value in tensors(moved).values())
    assert replace(moved, **tensors(rays)) == rays
