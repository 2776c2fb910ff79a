"""Our CUDA kernels and nanodrr's Triton kernel as PTX, compiled without a GPU and without a driver."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest import mock

import numpy as np

#: (major, minor) compute capability -> PTX.
Compiler = Callable[[tuple[int, int]], str]


def ours() -> dict[str, Compiler]:
    """Our kernels by name; numba-cuda and the libraries of its extra are needed."""
    from numba import types

    from SphericalRegLib.rendering.cuda.adjoint import make_spread
    from SphericalRegLib.rendering.cuda.grid import THREADS, blocks_at_once
    from SphericalRegLib.rendering.cuda.sweep import make_image, make_linearize

    def of(make: Callable[[type], Any], real: type, arguments: str) -> Compiler:
        number = types.float64 if real is np.float64 else types.float32
        kinds = {
            "volume": types.Array(number, 1, "C"),
            "size": types.int32,
            "rays": types.Array(types.float64, 3, "C"),
            "frames": types.Array(number, 3, "C"),
            "samples": types.int32,
            "halvings": types.int32,
            "channel": types.int32,
            "flag": types.boolean,
            "image": types.Array(number, 4, "C"),
            "jacobian": types.Array(number, 5, "C"),
        }
        signature = types.void(*(kinds[word] for word in arguments.split()))
        return lambda capability: _compile(make(real), signature, capability, (THREADS, blocks_at_once(real)))

    camera = "volume size size size rays frames samples halvings channel"
    return {
        "image": of(make_image, np.float32, f"{camera} image"),
        "image + Jacobian": of(make_linearize, np.float32, f"{camera} image jacobian"),
        "transpose": of(make_spread, np.float32, f"{camera} flag image jacobian"),
        "image + Jacobian, float64": of(make_linearize, np.float64, f"{camera} image jacobian"),
    }


def _compile(kernel: Any, signature: Any, capability: tuple[int, int], bounds: tuple[int, int]) -> str:
    """PTX of one kernel; what it calls is compiled for the current device, which is said to be of that capability."""
    from numba import cuda

    device = mock.Mock(compute_capability=capability)
    with mock.patch("numba.cuda.dispatcher.get_current_device", return_value=device):
        code, _ = cuda.compile(
            kernel.py_func,
            signature,
            device=False,
            cc=capability,
            output="ptx",
            abi="numba",
            launch_bounds=bounds,
        )
    return str(code)


def nanodrr() -> dict[str, Compiler]:
    """nanodrr's fused kernel; triton and nanodrr are needed. As it is launched for one image of 256 × 256 pixels."""
    return {
        "image": lambda capability: _triton(capability, backward=False),
        "backward to the pose": lambda capability: _triton(capability, backward=True),
    }


def _triton(capability: tuple[int, int], backward: bool) -> str:
    import triton
    from nanodrr.drr import _triton as kernels
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    function = kernels._fused_kernel
    constants = {
        "C": 1,
        "CP2": 1,
        "BACKWARD": backward,
        "NEED_GVOL": False,
        "NEED_GCAM": False,
        "SOFT": False,
        "SPLIT": 1,
        "TW": kernels._TILE_W,
        "BLOCK": kernels._BLOCK,
    }
    signature = {
        name: "constexpr" if name in constants else "*fp32" if name.endswith("_ptr") else "i32"
        for name in function.arg_names
    }
    signature["inv_s"] = "fp32"
    # what triton itself finds of such arguments at the launch
    multiples = [name for name in signature if signature[name] == "*fp32"] + [
        "N",
        "D",
        "H",
        "W",
        "S",
        "IW",
        "BCN",
        "BN",
    ]
    attributes = {(function.arg_names.index(name),): [["tt.divisibility", 16]] for name in multiples}
    source = ASTSource(function, signature, constants, attributes)
    target = GPUTarget("cuda", 10 * capability[0] + capability[1], 32)
    return str(triton.compile(source, target=target, options={"num_warps": kernels._WARPS}).asm["ptx"])
