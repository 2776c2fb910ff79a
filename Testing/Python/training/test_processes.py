"""Several processes train one model: torchrun starts them, one writes."""

from __future__ import annotations

import csv
import json
import os
import signal
import socket
import subprocess
import sys
from importlib.util import find_spec

import pytest

from SphericalRegLib.cli.process.signals import INTERRUPTED
from SphericalRegLib.networks.checkpoint import load_checkpoint
from SphericalRegLib.networks.model import load_model
from SphericalRegLib.sample import sample_path

pytestmark = pytest.mark.skipif(find_spec("timm") is None, reason="timm comes with the extra 'learned'")


def a_free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


LAUNCHER = ["-m", "torch.distributed.run", "--nproc_per_node=2"]
TRAIN = ["-m", "SphericalRegLib.cli.main", "train", "--ct", str(sample_path("pelvis_lumbar_3mm.nii.gz"))]
TRAIN += ["--pixels=32", "--held_out=0", "--device=cpu"]
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}


def test_two_processes_train_one_model_that_one_of_them_writes(tmp_path):
    output = tmp_path / "m.safetensors"
    options = ["--regressor_steps=3", "--regressor_batch=4", "--encoder_steps=2", "--encoder_batch=2"]
    done = subprocess.run(
        [sys.executable, *LAUNCHER, f"--master_port={a_free_port()}", *TRAIN, *options, "--output", str(output)],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert load_model(output).card.history["steps"] == {"regressor": 3, "encoders": 2}
    with (tmp_path / "m.safetensors.training" / "log.csv").open() as file:
        rows = [(row["phase"], row["step"]) for row in csv.DictReader(file)]
    assert rows == [("regressor", "3"), ("encoders", "2")]


OPTIONS = ["--regressor_steps=4000", "--regressor_batch=2", "--encoder_steps=0", "--every=4000", "--json"]


def a_training_at_work(output, launcher=(), options=(), **pipes):
    """A process that has told of its first steps."""
    process = subprocess.Popen(
        [sys.executable, *launcher, *TRAIN, *OPTIONS, *options, "--output", str(output)],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **pipes,
    )
    assert json.loads(process.stdout.readline())["step"] == 10
    return process


def check_that_no_step_was_lost(process, output):
    told = [json.loads(line)["step"] for line in process.communicate(timeout=100)[0].splitlines()]
    path = output.with_name(f"{output.name}.training") / "regressor.safetensors"
    kept, _header = load_checkpoint(path, "regressor training")
    assert len(kept["losses"]) >= max([10, *told])
    assert len(kept["losses"]) < 4000


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signal that only asks")
@pytest.mark.parametrize("several", [False, True], ids=["one process", "two processes"])
def test_a_training_that_is_asked_to_stop_loses_no_step(several, tmp_path):
    output = tmp_path / "m.safetensors"
    launcher = [*LAUNCHER, f"--master_port={a_free_port()}"] if several else []
    process = a_training_at_work(output, launcher)
    # Ctrl-C reaches all of a terminal's processes; the panel ends a training by SIGTERM
    os.killpg(process.pid, signal.SIGINT if several else signal.SIGTERM)
    check_that_no_step_was_lost(process, output)
    assert process.returncode == (1 if several else 128 + signal.SIGTERM)


def test_nor_does_one_whose_input_ends(tmp_path):
    output = tmp_path / "m.safetensors"
    process = a_training_at_work(output, options=["--until_input_ends"], stdin=subprocess.PIPE)
    # as where signals do not exist, or where the panel's application has crashed
    process.stdin.close()
    process.stdin = None
    check_that_no_step_was_lost(process, output)
    assert process.returncode == INTERRUPTED
