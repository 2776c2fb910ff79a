"""Beside busy programs a registration costs what it costs alone, and kernels give the same bits however they came.

Processor seconds of processes of their own: they count what is burned, not what is waited for, and so hold on a machine
that is busy with other tests as well.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name("busy_machine.py")
# The product's own choices are tested, not those of whoever runs the tests.
CHOICES = ("OMP_", "GOMP_", "KMP_", "MKL_", "NUMBA_NUM_THREADS", "NUMBA_THREADING_LAYER")


def environment(**changes: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(CHOICES)}
    return kept | {"PYTHONPATH": str(ROOT)} | changes


def registered(*options: str, **changes: str) -> dict[str, Any]:
    command = [sys.executable, str(SCRIPT), *options]
    ended = subprocess.run(command, env=environment(**changes), capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    content: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return content


@contextlib.contextmanager
def two_busy_programs() -> Iterator[None]:
    programs = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    try:
        yield
    finally:
        for program in programs:
            program.kill()
            program.wait()


@pytest.fixture(scope="module")
def seconds_beside() -> dict[str, float]:
    """The least processor seconds of each way, in turns: a neighbor on the same core costs all of them alike."""
    # one thread waits for nobody
    ways = {
        "one thread": ((), {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}),
        "as imported": ((), {}),
        "torch was loaded before": (("--torch-first",), {}),
    }
    least = dict.fromkeys(ways, float("inf"))
    with two_busy_programs():
        for _ in range(2):
            for way, (options, changes) in ways.items():
                least[way] = min(least[way], *registered("--registrations", "2", *options, **changes)["seconds"])
    return least


@pytest.mark.parametrize("way", ["as imported", "torch was loaded before"])
def test_beside_two_busy_programs_a_registration_burns_no_more_than_its_one_thread_would(way, seconds_beside):
    assert seconds_beside[way] <= 1.5 * seconds_beside["one thread"], seconds_beside


def test_a_users_own_policy_is_left_alone():
    code = "import os, SphericalRegLib; print({k: v for k, v in os.environ.items() if k.startswith(('OMP', 'KMP'))})"
    for changes, said in (
        ({}, {"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0"}),
        ({"OMP_WAIT_POLICY": "ACTIVE"}, {"OMP_WAIT_POLICY": "ACTIVE"}),
        ({"KMP_BLOCKTIME": "200"}, {"KMP_BLOCKTIME": "200"}),
    ):
        ended = subprocess.run(
            [sys.executable, "-c", code], env=environment(**changes), capture_output=True, text=True, check=True
        )
        assert ended.stdout.strip() == str(said)


def test_compiled_now_or_before_a_registration_gives_the_same_bits(tmp_path):
    folder = str(tmp_path / "kernels")
    compiles = registered(NUMBA_CACHE_DIR=folder)
    assert any(Path(folder).rglob("*.kernel"))
    loads = registered(NUMBA_CACHE_DIR=folder)
    assert (compiles["bits"], compiles["cost"]) == (loads["bits"], loads["cost"])


TOGETHER = """
from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
import torch

from SphericalRegLib.geometry.view import View
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.simulation.simulate import simulate
from SphericalRegLib.rendering import linearize
from SphericalRegLib.threads import set_threads

set_threads(3)
hu = np.random.default_rng(0).uniform(-1000, 2000, (24, 28, 32)).astype(np.float32)
grid = np.diag([2.0, 2.5, 3.0, 1.0])
grid[:3, 3] = -32, -35, -36
volume = Volume(torch.rand(1, 24, 28, 32), torch.from_numpy(grid))
view = View.from_spacing(96, 96, 1000.0, (2.0, 2.0), sad=700.0)
pose = torch.eye(4, dtype=torch.float64)[None]
pose[0, 2, 3] = 700.0  # the CT's middle lies at the isocenter


def simulated(_):
    return simulate(hu, grid, view, pose[0].numpy(), seed=1).intensity.tobytes()


def rendered(_):
    image, jacobian = linearize(volume, view, pose, samples=200)
    return image.numpy().tobytes() + jacobian.numpy().tobytes()


want = simulated(0), rendered(0)
with ThreadPoolExecutor(4) as pool:
    for _ in range(10):
        jobs = [pool.submit(task, 0) for task in (simulated, rendered, simulated, rendered)]
        assert tuple(job.result() for job in jobs) == want * 2
try:
    print(numba.threading_layer())
except ValueError:
    print("none")
"""


@pytest.mark.parametrize("layer", ["", "default", "workqueue", "omp", "tbb"])
def test_threads_may_simulate_and_render_at_once_under_any_layer(layer):
    changes = {"NUMBA_THREADING_LAYER": layer} if layer else {}
    ended = subprocess.run(
        [sys.executable, "-c", TOGETHER], env=environment(**changes), capture_output=True, text=True, check=False
    )
    # none of numba's layers, installed or not, is entered at all
    assert (ended.returncode, ended.stdout) == (0, "none\n"), ended.stderr
