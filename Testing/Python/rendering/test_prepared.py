"""What kernels keep of a density goes with it, is made anew when it changes, and is not kept of one being learned."""

from __future__ import annotations

import gc
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.rendering import linearize, prepared, render
from Testing.Python.rendering.scenes import every_kernel, facing, mirrored_view, noisy_volume


@pytest.fixture
def made():
    """Arguments of each call of the function ``double``."""
    return []


@pytest.fixture
def double(made):
    def double(density, *layout):
        made.append(layout)
        return 2 * density

    return double


def test_the_same_density_is_prepared_once_for_each_layout(double, made):
    density = torch.ones(1, 2, 2, 2)
    first = prepared.prepared(density, double, "ijk")
    assert prepared.prepared(density, double, "ijk") is first
    prepared.prepared(density, double, "kji")
    assert prepared.prepared(density, double, "ijk") is first
    prepared.prepared(density, double, "jik")  # the third drives out the oldest
    prepared.prepared(density, double, "ijk")
    assert made == [("ijk",), ("kji",), ("jik",), ("ijk",)]


def test_functions_do_not_drive_out_one_another(double, made):
    density = torch.ones(1, 2, 2, 2)
    prepared.prepared(density, double)
    for layout in range(4):
        prepared.prepared(density, lambda density, layout: density + layout, layout)
    prepared.prepared(density, double)
    assert made == [()]


def test_a_change_in_place_prepares_anew(double, made):
    density = torch.ones(1, 2, 2, 2)
    prepared.prepared(density, double)
    density.mul_(3)
    assert (prepared.prepared(density, double) == 6).all()
    assert len(made) == 2


def test_an_equal_density_is_another_one(double, made):
    for _ in range(2):
        prepared.prepared(torch.ones(1, 2, 2, 2), double)
    assert len(made) == 2


def test_threads_prepare_a_density_once(double, made):
    density = torch.ones(1, 8, 8, 8)
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: prepared.prepared(density, double), range(40)))
    assert len(made) == 1
    assert all(result is results[0] for result in results)


@every_kernel
def test_all_that_is_kept_goes_with_the_density(kernel):
    volume, view = noisy_volume(), mirrored_view(5, 6)
    poses, key = facing(volume, view), id(volume.density)
    linearize(volume, view, poses, samples=8, kernel=kernel)
    (layouts,) = prepared._kept[key].made.values()
    reference = weakref.ref(volume.density)
    kept = [weakref.ref(value) for value in layouts.values()]
    assert kept
    del volume, layouts
    gc.collect()
    assert reference() is None
    assert key not in prepared._kept
    assert all(value() is None for value in kept)


@every_kernel
def test_nothing_is_kept_of_a_density_that_is_learned(kernel):
    volume, view = noisy_volume(), mirrored_view(5, 6)
    learned = Volume(volume.density.requires_grad_(), volume.world_from_voxel)
    poses = facing(volume, view)
    before = set(prepared._kept)
    with torch.no_grad():
        render(learned, view, poses, samples=8, kernel=kernel)
    image, jacobian = linearize(learned, view, poses, samples=8, kernel=kernel)
    (image.sum() + jacobian.sum()).backward()
    gc.collect()
    assert set(prepared._kept) <= before
