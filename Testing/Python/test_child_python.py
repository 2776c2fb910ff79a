"""Child processes import nothing from the working directory, whatever lies there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from SphericalRegLib import child_python
from SphericalRegLib.app.jobs.child_process import ProcessJob
from SphericalRegLib.app.models import training_arguments
from SphericalRegLib.evaluation.workers import spread

ROOT = Path(__file__).resolve().parents[2]
TRAP = "import os, pathlib\npathlib.Path({flag!r}).write_text(__name__)\n"


@pytest.fixture
def trapped(tmp_path, monkeypatch):
    """A working directory of modules that tell when they are executed; the file that they write."""
    flag = tmp_path / "flag"
    folder = tmp_path / "downloads"
    folder.mkdir()
    for name in ("torch", "json", "numpy", "pickle", "signal", "multiprocessing", "jsonargparse", "SphericalRegLib"):
        (folder / f"{name}.py").write_text(TRAP.format(flag=str(flag)))
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", [str(ROOT), *(part for part in sys.path if part not in ("", str(ROOT)))])
    # an empty part is the working directory
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["", str(ROOT)]))
    return flag


def test_the_trap_springs(trapped):
    subprocess.run([sys.executable, "-c", "import json"], check=False)
    assert trapped.read_text() == "json"


def test_a_training_of_the_panel_does_not_step_into_it(trapped, tmp_path):
    job = ProcessJob(training_arguments(sys.executable, str(tmp_path / "no.nii"), str(tmp_path / "m.safetensors")))
    lines = [line for lines in job for line in lines]
    assert any("no.nii" in line for line in lines), lines
    assert not trapped.exists()


def test_nor_does_code_where_python_has_no_switch_against_it(trapped):
    environment = {**os.environ, "PYTHONPATH": ""}
    environment.pop("PYTHONSAFEPATH", None)
    code = child_python.code("import json, SphericalRegLib; print(json.dumps(SphericalRegLib.__file__))")
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert str(ROOT) in done.stdout
    assert not trapped.exists()


def test_nor_do_workers(trapped):
    before = dict(os.environ)
    assert list(spread(abs, 3, 2, print, ())) == [0, 1, 2]
    assert not trapped.exists()
    assert dict(os.environ) == before


def test_nor_does_the_command_line_as_a_module(trapped, tmp_path):
    (tmp_path / "downloads" / "SphericalRegLib.py").unlink()
    for name in ("signal", "multiprocessing"):
        # Python itself loads these before any module of ours, from where -m looks
        (tmp_path / "downloads" / f"{name}.py").unlink()
    command = [sys.executable, "-m", "SphericalRegLib.cli.main", "info", "--file", "no.nii"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert not trapped.exists()


def test_an_environment_keeps_the_named_parts_of_the_path():
    parts = os.pathsep.join(["", "one", "", "two", ""])
    made = child_python.environment({"PYTHONPATH": parts, "OTHER": "x"})
    assert made == {"PYTHONPATH": os.pathsep.join(["one", "two"]), "OTHER": "x", "PYTHONSAFEPATH": "1"}


def test_numba_takes_no_settings_from_the_working_directory(tmp_path):
    (tmp_path / ".numba_config.yaml").write_text("cache_dir: /of/another\n")
    code = "import SphericalRegLib.compilation, numba; print(repr(numba.config.CACHE_DIR))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("NUMBA_CACHE_DIR", None)
    run = [sys.executable, "-c", code]
    done = subprocess.run(run, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "''\n"
