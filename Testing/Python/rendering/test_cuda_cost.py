"""What the CUDA kernels take of a GPU, counted without one, and that the counting is right."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "Benchmarks"))

import cuda_code
import cuda_cost
import sass

from Testing.Python.skips import NEEDS_CUDA_COMPILER

LISTING = """
.text.kernel:
        /*0000*/                   LDG.E.64 R2, [R4.64] ;
.L_x_1:
        /*0010*/                   FADD R1, R1, R2 ;
.L_x_0:
{loads}
        /*00a0*/              @!P0 BRA `(.L_x_2) ;
        /*00b0*/                   F2I.TRUNC.NTZ R3, R1 ;
.L_x_2:
        /*00c0*/                   FFMA R1, R1, R2, R3 ;
        /*00d0*/               @P1 BRA P2, `(.L_x_0) ;
        /*00e0*/                   FMUL R1, R1, R2 ;
        /*00f0*/              @!P0 BRA `(.L_x_1) ;
.L_x_3:
        /*0100*/                   BRA `(.L_x_3);
"""


def test_the_inner_loop_is_the_shortest_that_loads_all_corners():
    loads = "\n".join(f"        /*00{n}0*/                   LDG.E R{n}, desc[UR4][R8.64+0x4] ;" for n in range(2, 10))
    loop = sass.inner_loop(LISTING.format(loads=loads))
    assert loop == {"LDG": 8, "BRA": 2, "F2I": 1, "FFMA": 1}


def test_code_without_such_a_loop_is_refused():
    with pytest.raises(RuntimeError, match="no loop over samples"):
        sass.inner_loop(LISTING.format(loads=""))


def test_a_tool_that_is_missing_is_named_with_its_package(monkeypatch):
    monkeypatch.setattr(cuda_cost, "tool", lambda name: None)
    with pytest.raises(SystemExit, match="pip install nvidia-cuda-nvcc nvidia-cuda-nvdisasm"):
        cuda_cost.main([])


def _needs() -> None:
    packages = cuda_cost.KERNELS["sphericalreg"][1]
    if any(cuda_cost.version(name) is None for name in packages) or any(sass.tool(name) is None for name in sass.TOOLS):
        pytest.skip(NEEDS_CUDA_COMPILER)


@pytest.mark.parametrize("capability", cuda_cost.CAPABILITIES)
@pytest.mark.parametrize("kernel", ["image", "image + Jacobian", "transpose"])
def test_our_kernels_fit_the_registers_and_load_each_corner_once(kernel, capability):
    _needs()
    counted = sass.cost(cuda_code.ours()[kernel](capability))
    assert counted.spilled == 0
    assert counted.registers <= 64
    assert counted.memory == 8
