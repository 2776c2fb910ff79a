"""The kernels by name: the one table from which renderer, commands and tests take theirs.

A new kernel is one file, and one line here.
"""

from __future__ import annotations

from SphericalRegLib.errors import DeviceError
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.rendering.cuda.kernel import CudaKernel
from SphericalRegLib.rendering.kernel import Kernel
from SphericalRegLib.rendering.numba_kernel import NumbaKernel
from SphericalRegLib.rendering.torch_kernel import TorchKernel

_ENTRIES: tuple[Kernel, ...] = (
    NumbaKernel(),
    CudaKernel(),
    TorchKernel(),
)

#: By name; of those that support a volume, ``auto`` is the first.
KERNELS: dict[str, Kernel] = {kernel.name: kernel for kernel in _ENTRIES}


def choose_kernel(name: str, volume: Volume) -> Kernel:
    """The kernel of a name for a volume; ``auto`` is the first that supports it.

    Raises:
        DeviceError: if there is no such kernel, or it does not support the volume; the message says why, and which do.
    """
    if name != "auto" and name not in KERNELS:
        raise DeviceError(f"There is no rendering kernel {name!r}: choose one of auto, {', '.join(KERNELS)}.")
    asked = list(KERNELS.values()) if name == "auto" else [KERNELS[name]]
    refusals = []
    for kernel in asked:
        refusal = kernel.supports(volume)
        if refusal is None:
            return kernel
        refusals.append(f"The {kernel.name} kernel {refusal}")
    others = [f"kernel='{kernel.name}'" for kernel in KERNELS.values() if kernel.supports(volume) is None]
    remedy = f"use {' or '.join(others)}" if others else "no other kernel renders it"
    raise DeviceError(f"{'. '.join(refusals)}: {remedy}.")
