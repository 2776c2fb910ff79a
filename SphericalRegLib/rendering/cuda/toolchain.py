"""The one place that imports ``numba.cuda``: the package numba-cuda's, or numba's simulator of it on the CPU."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib import metadata
from typing import Any

import torch
from numba import config, cuda
from torch import Tensor

from SphericalRegLib.compilation import ensure_cache_folder
from SphericalRegLib.kernel_cache import KernelCache

__all__ = ["compiled", "cuda", "current_stream", "is_usable", "memory_of"]

# What turns a kernel into machine code, beside numba itself; a CUDA toolkit of the system is told by its runtime.
_COMPILERS = ("numba-cuda", "nvidia-nvvm", "nvidia-cuda-nvcc-cu12", "nvidia-nvjitlink", "nvidia-nvjitlink-cu12")

# A small image is no mistake.
warnings.filterwarnings("ignore", "Grid size .* will likely result in GPU under-utilization")


def compiled(threads: int, blocks: int) -> Callable[[Callable[..., Any]], Any]:
    """Decorator of a kernel: kept on disk, as the CPU's are, and in the simulator as it is written.

    Args:
        threads: of a block.
        blocks: that a multiprocessor is to hold at once; a thread gets no more registers than that leaves.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        if config.ENABLE_CUDASIM:
            return cuda.jit(function)
        ensure_cache_folder(function.__code__.co_filename)
        kernel = cuda.jit(launch_bounds=(threads, blocks))(function)
        kernel._cache = KernelCache(function, _Form, tuple(_version(package) for package in _COMPILERS))
        return kernel

    return decorate


class _Form:
    """What of a compiled kernel is kept: PTX and machine code."""

    @staticmethod
    def reduce(kernel: Any) -> Any:
        return kernel._reduce_states()

    @staticmethod
    def rebuild(target_context: Any, reduced: Any) -> Any:
        from numba.cuda.dispatcher import _Kernel

        return _Kernel._rebuild(**reduced)


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "none"


def is_usable() -> bool:
    """Whether a driver and the compiler's libraries are there."""
    return bool(cuda.is_available())


def memory_of(tensor: Tensor) -> Any:
    """A contiguous tensor's own memory, as kernels take it; of a tensor on the CPU, as the simulator takes it."""
    tensor = tensor.detach()
    return cuda.as_cuda_array(tensor, sync=False) if tensor.is_cuda else tensor.numpy()


def current_stream(device: torch.device) -> Any:
    """torch's stream, so that kernels run in order with its operations; 0 is the default one, and the simulator's."""
    handle = torch.cuda.current_stream(device).cuda_stream if device.type == "cuda" else 0
    return cuda.external_stream(handle) if handle else 0
