"""Compiled CUDA kernels are kept on disk, and the next process loads them: on a device that is not really there."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

import pytest

from Testing.Python.skips import NEEDS_CUDA_COMPILER

ROOT = Path(__file__).resolve().parents[3]
#: As ``numba-cuda[cu13]`` brings them.
PACKAGES = {"numba-cuda", "nvidia-nvvm", "nvidia-cuda-nvrtc", "nvidia-nvjitlink"}

# As at the first launch, up to the driver: compiled, linked and kept, or loaded.
CODE = """
import hashlib
from unittest import mock

import numpy as np
from numba import types
from numba.cuda import codegen, dispatcher

from SphericalRegLib.rendering.cuda import adjoint, sweep

number, size = types.float32, types.int32
camera = [types.Array(number, 1, "C"), *[size] * 3, types.Array(types.float64, 3, "C"), types.Array(number, 3, "C")]
image, jacobian = types.Array(number, 4, "C"), types.Array(number, 5, "C")
kernels = {
    sweep.make_image: (*camera, *[size] * 3, image),
    sweep.make_linearize: (*camera, *[size] * 3, image, jacobian),
    adjoint.make_spread: (*camera, *[size] * 3, types.boolean, image, jacobian),
}
device = mock.Mock(compute_capability=(9, 0))
with (
    mock.patch.object(dispatcher, "get_current_device", return_value=device),
    mock.patch.object(codegen.CUDACodeLibrary, "_ensure_cc", lambda self, cc: cc or (9, 0, "a")),
    mock.patch.object(codegen.JITCUDACodegen, "magic_tuple", lambda self: ((13, 0), (9, 0))),
    mock.patch.object(dispatcher._Kernel, "bind", lambda self: self._codelibrary.get_cubin()),
):
    for make, signature in kernels.items():
        kernel = make(np.float32)
        compiled = kernel.compile(signature)
        assert compiled.argument_types == signature
        code = hashlib.sha256(compiled._codelibrary.get_cubin().code).hexdigest()
        print(make.__name__, sum(kernel.stats.cache_hits.values()), code)
"""


def run(folder: Path) -> list[list[str]]:
    """(maker of a kernel, how often it was loaded, digest of its machine code), in a process of its own."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(folder), "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", CODE], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [line.split() for line in done.stdout.splitlines()]


@pytest.mark.skipif(not PACKAGES.issubset(one.name for one in distributions()), reason=NEEDS_CUDA_COMPILER)
def test_what_one_process_compiles_the_next_one_loads(tmp_path):
    first, second = run(tmp_path), run(tmp_path)
    assert [hits for _, hits, _ in first] == ["0", "0", "0"]
    assert [hits for _, hits, _ in second] == ["1", "1", "1"]
    assert [code for *_, code in first] == [code for *_, code in second]
    assert len({code for *_, code in first}) == 3
