"""Several processes train one model: torchrun starts them, one writes."""

from __future__ import annotations

import csv
import os
import socket
import subprocess
import sys
from importlib.util import find_spec

import pytest

from SphericalRegLib.networks.model import load_model
from SphericalRegLib.sample import sample_path

pytestmark = pytest.mark.skipif(find_spec("timm") is None, reason="timm comes with the extra 'learned'")


def a_free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def test_two_processes_train_one_model_that_one_of_them_writes(tmp_path):
    output = tmp_path / "m.safetensors"
    launcher = ["-m", "torch.distributed.run", "--nproc_per_node=2", f"--master_port={a_free_port()}"]
    command = ["-m", "SphericalRegLib.cli.main", "train", "--ct", str(sample_path("pelvis_lumbar_3mm.nii.gz"))]
    options = ["--pixels=32", "--regressor_steps=3", "--regressor_batch=4", "--encoder_steps=2", "--encoder_batch=2"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *launcher, *command, *options, "--output", str(output), "--held_out=0", "--device=cpu"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert load_model(output).card.history["steps"] == {"regressor": 3, "encoders": 2}
    with (tmp_path / "m.safetensors.training" / "log.csv").open() as file:
        rows = [(row["phase"], row["step"]) for row in csv.DictReader(file)]
    assert rows == [("regressor", "3"), ("encoders", "2")]
