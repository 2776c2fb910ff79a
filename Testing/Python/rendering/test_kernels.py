"""The table of kernels: what each supports, what it says where it does not, and that all are ready after a warm-up."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from SphericalRegLib.errors import DeviceError
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.rendering import KERNELS, choose_kernel, linearize, render, torch_kernel, warm_up
from SphericalRegLib.rendering.kernel import Kernel
from SphericalRegLib.rendering.numba_kernel import NumbaKernel
from Testing.Python.rendering.scenes import (
    ON_CPU,
    REFERENCE,
    every_kernel,
    facing,
    mirrored_view,
    noisy_volume,
    oblique_frame,
    smooth_volume,
)

every_row = pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS)


def volume_of(*shape: int, dtype: torch.dtype = torch.float32, device: str = "cpu") -> Volume:
    """Of any size, for it holds one number."""
    return Volume(torch.zeros(1, 1, 1, 1, dtype=dtype, device=device).expand(1, *shape), oblique_frame())


#: The meta device stands for one that a kernel may not know.
VOLUMES = {
    "float32": volume_of(3, 4, 5),
    "float64": volume_of(3, 4, 5, dtype=torch.float64),
    "integers": volume_of(3, 4, 5, dtype=torch.int16),
    "elsewhere": volume_of(3, 4, 5, device="meta"),
    "2000³": volume_of(2000, 2000, 2000),
}
every_volume = pytest.mark.parametrize("volume", VOLUMES.values(), ids=VOLUMES)


def test_the_reference_and_another_kernel_render_on_every_machine():
    assert REFERENCE in ON_CPU
    assert len(ON_CPU) > 1


@every_row
def test_a_row_says_its_name_and_where_it_runs(kernel):
    assert KERNELS[kernel.name] is kernel
    assert kernel.name != "auto"
    assert kernel.title


@every_row
@every_volume
def test_a_kernel_is_chosen_where_it_supports_a_volume_and_else_says_why_and_what_to_use(kernel, volume):
    refusal = kernel.supports(volume)
    if refusal is None:
        assert choose_kernel(kernel.name, volume) is kernel
        return
    with pytest.raises(DeviceError) as error:
        choose_kernel(kernel.name, volume)
    message = str(error.value)
    assert message.startswith(f"The {kernel.name} kernel {refusal}: ")
    others = [f"kernel='{name}'" for name, other in KERNELS.items() if other.supports(volume) is None]
    assert all(other in message for other in others)
    assert others or "no other kernel" in message


@every_volume
def test_auto_is_the_first_that_supports_a_volume(volume):
    able = [kernel for kernel in KERNELS.values() if kernel.supports(volume) is None]
    if able:
        assert choose_kernel("auto", volume) is able[0]
        return
    with pytest.raises(DeviceError) as error:
        choose_kernel("auto", volume)
    assert all(f"The {name} kernel " in str(error.value) for name in KERNELS)


def test_the_compiled_kernel_is_for_the_cpu_and_32_bit_indices():
    numba = NumbaKernel()
    assert numba.supports(VOLUMES["float32"]) is None
    assert numba.supports(VOLUMES["elsewhere"]) == "runs on the CPU, but the volume is on meta"
    assert numba.supports(VOLUMES["2000³"]) == (
        "counts voxels in 32 bits, too few for 2000 × 2000 × 2000 (coarsen or crop the CT)"
    )
    assert numba.supports(volume_of(1288, 1288, 1288)) is None
    assert choose_kernel("auto", VOLUMES["float32"]).name == "numba"


def test_the_reference_wants_rays_in_float64():
    reference = KERNELS[REFERENCE]
    assert reference.rays_on(torch.device("mps")) == torch.device("cpu")
    for device in ("cpu", "cuda:1"):
        assert reference.rays_on(torch.device(device)) == torch.device(device)


def test_a_kernel_more_is_one_row(monkeypatch):
    class Twice(Kernel):
        """The reference, twice as bright, on the CPU."""

        name, title = "twice", "CPU, twice as bright"

        def supports(self, volume: Volume) -> str | None:
            return None if volume.density.device.type == "cpu" else "is tested on the CPU"

        def render(self, density, rays, samples, jacobian):
            image, columns = KERNELS[REFERENCE].render(density, rays, samples, jacobian)
            return 2 * image, None if columns is None else 2 * columns

        def backproject(self, like, rays, samples, images, jacobians):
            return 2 * KERNELS[REFERENCE].backproject(like, rays, samples, images, jacobians)

    monkeypatch.setitem(KERNELS, "twice", Twice())
    volume, view = noisy_volume(), mirrored_view(5, 6)
    poses = facing(volume, view)
    warm_up(volume, "twice")
    drawn = linearize(volume, view, poses, samples=8, kernel="twice")
    for found, expected in zip(drawn, linearize(volume, view, poses, samples=8, kernel=REFERENCE), strict=True):
        torch.testing.assert_close(found, 2 * expected)
    with pytest.raises(DeviceError, match=r"The twice kernel is tested on the CPU: use kernel='torch'\."):
        render(VOLUMES["elsewhere"], view, poses, kernel="twice")


@every_kernel
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_any_volume_can_be_warmed_up_for(kernel, dtype):
    warm_up(noisy_volume(dtype), kernel)


def test_after_the_warm_up_nothing_is_compiled():
    from SphericalRegLib.rendering.numba_sweep import _sweep

    for dtype in (torch.float32, torch.float64):
        volume, view = smooth_volume(dtype=dtype), mirrored_view(5, 6)
        warm_up(volume, "numba")
        ready = list(_sweep.signatures)
        linearize(volume, view, facing(volume, view), samples=8, kernel="numba")
        render(volume, [view, view], facing(volume, view).float(), samples=8, kernel="numba")
        assert _sweep.signatures == ready


def test_numba_is_imported_with_its_first_image():
    code = (
        "import sys\n"
        "from Testing.Python.rendering.scenes import facing, mirrored_view, noisy_volume\n"
        "from SphericalRegLib.rendering import render, warm_up\n"
        "volume, view = noisy_volume(), mirrored_view(4, 4)\n"
        "render(volume, view, facing(volume, view), samples=2, kernel='torch')\n"
        "assert 'numba' not in sys.modules\n"
        "warm_up(volume)\n"
        "assert 'numba' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@every_kernel
def test_a_batch_is_its_poses_one_by_one(kernel):
    """Whatever blocks a kernel makes of many poses: those of seven lie across images here."""
    volume, view = smooth_volume(), mirrored_view()
    poses = torch.cat([facing(volume, view, depth) for depth in (500.0, 600.0, 700.0, 800.0)])[:7]
    image, jacobian = linearize(volume, view, poses, samples=40, kernel=kernel)
    for n, pose in enumerate(poses):
        alone = linearize(volume, view, pose[None], samples=40, kernel=kernel)
        torch.testing.assert_close(image[n], alone[0][0], rtol=1e-12, atol=1e-14)
        torch.testing.assert_close(jacobian[n], alone[1][0], rtol=1e-9, atol=1e-12)
    assert image.is_contiguous()
    assert jacobian.is_contiguous()


@pytest.mark.parametrize("at_once", [1, 520 * 3, 10**9], ids=["a row", "three rows", "all"])
def test_blocks_of_any_size_give_the_same(at_once, monkeypatch):
    volume, view = smooth_volume(), mirrored_view()
    poses = facing(volume, view)
    expected = linearize(volume, view, poses, samples=40, kernel=REFERENCE)
    monkeypatch.setattr(torch_kernel, "_at_once", lambda device: at_once)
    for found, whole in zip(linearize(volume, view, poses, samples=40, kernel=REFERENCE), expected, strict=True):
        torch.testing.assert_close(found, whole, rtol=1e-12, atol=1e-14)
