"""The CUDA kernel without a GPU: launched in numba's simulator, on a checked grid, chosen where it would run."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from SphericalRegLib.rendering import KERNELS, choose_kernel
from SphericalRegLib.rendering.cuda import kernel as cuda_kernel
from SphericalRegLib.rendering.cuda.grid import ROWS, THREADS, Grid
from SphericalRegLib.rendering.cuda.kernel import CudaKernel
from Testing.Python.rendering.cuda_scenes import SCENES, Drawn, cotangents, draw
from Testing.Python.rendering.scenes import REFERENCE, noisy_volume
from Testing.Python.skips import NEEDS_CUDA

ROOT = Path(__file__).resolve().parents[3]
every_scene = pytest.mark.parametrize("scene", SCENES)
NAMES = ("images alone", "images", "Jacobians", "transpose of images", "transpose of both")


@pytest.fixture(scope="module")
def simulated(tmp_path_factory) -> dict[str, Drawn]:
    """All scenes, rendered by numba's simulator: it is chosen when numba is imported, so in a process of its own."""
    file = tmp_path_factory.mktemp("cuda") / "drawn.pt"
    environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "Testing.Python.rendering.cuda_scenes", str(file)]
    subprocess.run(command, check=True, env=environment, cwd=ROOT)
    return {name: Drawn(*parts) for name, parts in torch.load(file).items()}


def assert_same(drawn: Drawn, expected: Drawn, share: float) -> None:
    """Equal but for a share of the largest number."""
    for name, found, reference in zip(NAMES, drawn, expected, strict=True):
        assert found.shape == reference.shape, name
        assert found.dtype == reference.dtype, name
        assert (found.cpu() - reference).abs().max() <= share * reference.abs().max(), name


@every_scene
def test_the_launch_in_the_simulator_is_the_reference(scene, simulated):
    made = SCENES[scene]()
    expected = draw(KERNELS[REFERENCE], made.volume.density, made)
    assert_same(simulated[scene], expected, 1e-10 if made.volume.density.dtype == torch.float64 else 1e-4)
    assert ((expected.image > 0).double().mean() > 0.1) == (scene != "empty")


@every_scene
def test_the_transpose_in_the_simulator_is_exact(scene, simulated):
    """<L x, y> = <x, Lᵀ y> for the kernel's own image and Jacobian."""
    made, drawn = SCENES[scene](), simulated[scene]
    weights = cotangents(drawn.image, drawn.jacobian)
    products = [a.double() * b for a, b in zip((drawn.image, drawn.jacobian), weights, strict=True)]
    back = (made.volume.density.double() * drawn.from_both.double()).sum()
    size = sum(p.abs().sum() for p in products)
    precision = 1e-12 if made.volume.density.dtype == torch.float64 else 1e-4
    assert (sum(p.sum() for p in products) - back).abs() <= precision * size


@every_scene
def test_on_a_device_it_is_the_reference_and_repeats_its_bits(scene):
    made = SCENES[scene]()
    if not torch.cuda.is_available() or KERNELS["cuda"].supports(made.volume.to("cuda")) is not None:
        pytest.skip(NEEDS_CUDA)
    density = made.volume.density.cuda()
    drawn = draw(KERNELS["cuda"], density, made)
    expected = draw(KERNELS[REFERENCE], made.volume.density, made)
    assert_same(drawn, expected, 1e-10 if density.dtype == torch.float64 else 1e-4)
    again = draw(KERNELS["cuda"], density, made)
    assert all(torch.equal(a, b) for a, b in zip(drawn[:3], again[:3], strict=True))


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (16, 8), (17, 9), (256, 256), (64, 300)])
@pytest.mark.parametrize("poses", [1, 7, 1000])
@pytest.mark.parametrize("samples", [1, 16, 100, 500])
@pytest.mark.parametrize("processors", [1, 132])
def test_every_pixel_and_every_sample_has_one_thread(size, poses, samples, processors):
    height, width = size
    grid = Grid.of(height, width, poses, samples, processors)
    columns, rows, parts = grid.threads
    assert columns * rows * parts == THREADS
    assert rows * parts == ROWS
    assert grid.blocks[2] == poses
    assert (grid.blocks[0] - 1) * columns < width <= grid.blocks[0] * columns
    assert (grid.blocks[1] - 1) * rows < height <= grid.blocks[1] * rows
    assert parts == 1 << grid.halvings
    ends = [(samples * part >> grid.halvings, samples * (part + 1) >> grid.halvings) for part in range(parts)]
    dealt = np.concatenate([np.arange(*both) for both in ends])
    np.testing.assert_array_equal(dealt, np.arange(samples))


def test_rays_are_halved_where_images_are_small_and_whole_where_they_fill_the_device():
    assert Grid.of(64, 64, 1, 256, 132).threads == (8, 1, 16)
    assert Grid.of(256, 256, 1, 256, 132).threads == (8, 4, 4)
    assert Grid.of(256, 256, 64, 256, 132).threads == (8, 16, 1)
    assert Grid.of(64, 64, 1, 20, 132).threads == (8, 8, 2)


def on_cuda(*shape: int, dtype: torch.dtype = torch.float32) -> SimpleNamespace:
    """What the table asks of a volume, of one on a device that is not here."""
    density = SimpleNamespace(device=torch.device("cuda", 0), dtype=dtype, shape=(1, *shape))
    return SimpleNamespace(density=density)


def test_auto_takes_it_where_a_device_and_the_package_are(monkeypatch):
    monkeypatch.setattr(cuda_kernel, "_missing", lambda: None)
    assert choose_kernel("auto", on_cuda(3, 4, 5)).name == "cuda"
    assert choose_kernel("auto", on_cuda(3, 4, 5, dtype=torch.float16)).name == "torch"
    monkeypatch.setattr(cuda_kernel, "_missing", lambda: "needs a package")
    assert choose_kernel("auto", on_cuda(3, 4, 5)).name == "torch"


def test_it_says_why_it_does_not_render(monkeypatch):
    kernel = CudaKernel()
    assert kernel.supports(noisy_volume()) == "runs on CUDA, but the volume is on cpu"
    assert kernel.supports(on_cuda(3, 4, 5, dtype=torch.int16)) == "renders float32 and float64, not torch.int16"
    assert kernel.supports(on_cuda(2000, 2000, 2000)).startswith("counts voxels in 32 bits")
    monkeypatch.setattr(cuda_kernel, "find_spec", lambda name: None)
    assert 'not installed (pip install "sphericalreg[cuda]")' in kernel.supports(on_cuda(3, 4, 5))


def test_numba_cuda_is_imported_in_one_file():
    importing = set()
    for file in (ROOT / "SphericalRegLib").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            else:
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if any(name.startswith(("numba.cuda", "numba_cuda")) for name in names):
                importing.add(file.relative_to(ROOT).as_posix())
    assert importing == {"SphericalRegLib/rendering/cuda/toolchain.py"}
