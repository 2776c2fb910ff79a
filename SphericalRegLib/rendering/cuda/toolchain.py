"""The one place that imports ``numba.cuda``: the package numba-cuda's, or numba's simulator of it on the CPU."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from numba import config, cuda
from torch import Tensor

__all__ = ["compiled", "cuda", "current_stream", "is_usable", "memory_of"]

# A small image is no mistake.
warnings.filterwarnings("ignore", "Grid size .* will likely result in GPU under-utilization")


def compiled(threads: int, blocks: int) -> Any:
    """Decorator of a kernel: so few registers that so many blocks of so many threads fit a multiprocessor at once."""
    # the simulator knows no bounds
    return cuda.jit if config.ENABLE_CUDASIM else cuda.jit(launch_bounds=(threads, blocks))


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
