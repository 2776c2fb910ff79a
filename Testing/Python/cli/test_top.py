"""Whatever happens in a command becomes one line and an exit code."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch

from SphericalRegLib.cli import dispatch
from SphericalRegLib.cli.main import main
from SphericalRegLib.cli.process import faults

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def failing(monkeypatch, tmp_path):
    """A command line whose command raises; what it keeps lies in tmp_path."""
    monkeypatch.setattr(faults.tempfile, "tempdir", str(tmp_path))

    def run(error, *arguments):
        def command(_):
            raise error

        monkeypatch.setattr(dispatch, "run", command)
        files = ["/home/Jane_Doe.nii", "--labels", "Jane_Doe_labels.nii", *arguments, "--", "--Jane_Doe"]
        return main(["info", *files])

    return run


def test_a_fault_is_one_line_and_a_traceback_in_a_private_file(failing, capsys):
    assert failing(ZeroDivisionError("by zero\nand more")) == 1
    (line,) = capsys.readouterr().err.splitlines()
    found = re.fullmatch(
        r"sphericalreg: ZeroDivisionError: by zero\. This is a fault of SphericalReg; the traceback is saved in (.*): "
        r"please report it\.",
        line,
    )
    file = Path(found.group(1))
    text = file.read_text()
    assert "Traceback" in text
    assert "sphericalreg info --labels\n" in text
    assert "Jane" not in text
    if os.name == "posix":
        assert file.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("option", ["--verbose", "-v"])
def test_verbose_prints_it_as_well(option, failing, capsys):
    assert failing(ZeroDivisionError("by zero"), option) == 1
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("Exception thrown in SimpleITK ReadImage: std::bad_alloc"),
    ],
)
def test_short_memory_is_no_fault_and_has_a_remedy(error, failing, capsys):
    assert failing(error) == 1
    told = capsys.readouterr().err
    assert "--downsample 2" in told
    assert "fault of SphericalReg" not in told


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "disk is full"),
        (PermissionError(errno.EACCES, "Permission denied", "x"), "cannot be used .*Permission denied: 'x'"),
        (ImportError("libtorch.so is missing"), "cannot be loaded .*libtorch.*install"),
        (RecursionError("maximum recursion depth exceeded"), "RecursionError: maximum .*fault of SphericalReg"),
    ],
)
def test_other_exceptions_are_one_line(error, words, failing, capsys):
    assert failing(error) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search(words, line)


def test_a_traceback_that_cannot_be_saved_is_told(failing, capsys, monkeypatch):
    def full(**_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(faults.tempfile, "mkstemp", full)
    assert failing(ZeroDivisionError("by zero")) == 1
    assert "could not be saved (No space left on device): see it with --verbose" in capsys.readouterr().err


@pytest.mark.parametrize("verbose", [False, True])
def test_warnings_of_libraries_are_for_those_who_ask(verbose, monkeypatch, capsys):
    def command(_):
        warnings.warn("a library's", UserWarning, stacklevel=1)
        return 0

    monkeypatch.setattr(dispatch, "run", command)
    monkeypatch.setattr(sys, "warnoptions", [])
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        assert main(["info", *(["--verbose"] if verbose else [])]) == 0
    assert len(shown) == verbose


@pytest.mark.skipif(os.name != "posix", reason="pipes of POSIX")
class TestOutputs:
    def info(self, output, **variables):
        environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
        command = [sys.executable, "-m", "SphericalRegLib.cli.main", "info"]
        return subprocess.run(command, env=environment, stdout=output, stderr=subprocess.PIPE, text=True, check=False)

    @pytest.mark.parametrize("unbuffered", ["", "1"])
    def test_a_reader_that_is_gone_is_no_error(self, unbuffered):
        read, write = os.pipe()
        os.close(read)
        done = self.info(write, PYTHONUNBUFFERED=unbuffered)
        os.close(write)
        assert done.returncode == 141
        assert "sphericalreg" not in done.stderr
        assert "Error" not in done.stderr

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
    def test_a_full_disk_behind_it_is_told(self):
        with open("/dev/full", "w") as full:
            done = self.info(full)
        assert done.returncode == 1
        assert "disk is full" in done.stderr
        assert "Traceback" not in done.stderr
