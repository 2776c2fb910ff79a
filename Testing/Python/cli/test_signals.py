"""Real signals to real commands: during imports, at work, and while they clean up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from SphericalRegLib.sample import sample_path

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Windows has no signal that only asks")

ROOT = Path(__file__).resolve().parents[3]
# A machine may be busy: these only bound what never ends.
PATIENCE_S = 300
# What comes sooner after a first signal is taken for the same request.
APART_S = 1.5

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}


def _as_a_terminal_starts_it():
    # these tests may themselves run under nohup or as a background job, which ignore some signals
    for number in CODES:
        signal.signal(number, signal.SIG_DFL)


def started(*command, path=(), **options):
    """A Python process that has said its first line; by default signals reach it as they reach a fresh terminal's."""
    paths = os.pathsep.join([*map(str, path), str(ROOT)])
    process = subprocess.Popen(
        [sys.executable, *map(str, command)],
        env={**os.environ, "PYTHONPATH": paths},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **{"preexec_fn": _as_a_terminal_starts_it, **options},
    )
    assert process.stdout.readline().startswith("ready")
    return process


def ended(process):
    try:
        said = process.communicate(timeout=PATIENCE_S)
    finally:
        process.kill()
    assert "Traceback" not in said[1]
    return process.returncode, said[1]


@pytest.mark.parametrize(
    ("number", "library"), [*((number, "jsonargparse") for number in CODES), (signal.SIGINT, "pydicom")]
)
def test_during_imports_a_signal_ends_the_command_quietly(number, library, tmp_path):
    # in the place of the first library that is imported, or of one that only the command needs
    (tmp_path / f"{library}.py").write_text("import time\nprint('ready', flush=True)\ntime.sleep(600)\n")
    process = started("-m", "SphericalRegLib.cli.main", "info", path=[tmp_path])
    process.send_signal(number)
    assert ended(process) == (CODES[number], "sphericalreg: stopped; nothing was written.\n")


WORK = """
import sys, time
from SphericalRegLib.cli import main
from SphericalRegLib.cli.reading import ct_reading

def reads(*_, **__):
    print("ready", flush=True)
    time.sleep(600)

if __name__ == "__main__":
    ct_reading.read_ct = reads
    sys.exit(main.main(["render", sys.executable, "-o", sys.argv[1]]))
"""


@pytest.mark.parametrize("number", list(CODES))
def test_at_work_a_signal_leaves_nothing_behind(number, tmp_path):
    process = started("-c", WORK, tmp_path / "new" / "drr.png")
    assert len(list((tmp_path / "new").glob(".unfinished-*"))) == 1
    process.send_signal(number)
    assert ended(process) == (CODES[number], "sphericalreg: stopped; nothing was written.\n")
    assert os.listdir(tmp_path) == []


def test_a_signal_that_the_caller_ignores_is_ignored(tmp_path):
    # as nohup starts it
    process = started("-c", WORK, tmp_path / "drr.png", preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    process.send_signal(signal.SIGHUP)
    time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    assert ended(process)[0] == 143


TOP = """
import sys, time, types
from SphericalRegLib.cli import top
from SphericalRegLib.cli.process.signals import StopSignals
from SphericalRegLib.whole_file import whole_folder
{command}
sys.modules["SphericalRegLib.cli.dispatch"] = types.SimpleNamespace(run=command)
with StopSignals() as signals:
    code = top.run([], signals)
sys.exit(code)
"""

STUBBORN = """
def command(arguments):
    try:
        print("ready", flush=True)
        time.sleep(600)
    finally:
        print("ready", flush=True)
        time.sleep(600)
"""


def test_a_second_signal_ends_it_at_once_but_one_that_was_passed_on_does_not():
    process = started("-c", TOP.format(command=STUBBORN))
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "ready\n"
    time.sleep(APART_S)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert ended(process) == (143, "")


LOST = """
class Lost:
    def __del__(self):
        print("ready", flush=True)
        time.sleep(3)

def command(arguments):
    Lost()
    time.sleep(600)
"""


def test_an_exception_that_python_drops_is_raised_again():
    process = started("-c", TOP.format(command=LOST))
    process.send_signal(signal.SIGTERM)
    assert ended(process) == (143, "sphericalreg: stopped; nothing was written.\n")


MOVING = """
import os
real = os.replace
def replace(source, target):
    real(source, target)
    if os.path.basename(target) == "b" and os.path.basename(source) == "b":
        print("ready", flush=True)
        time.sleep(600)
os.replace = replace

def command(arguments):
    with whole_folder(sys.argv[1]) as stage:
        for name in "abc":
            (stage / name).write_text("new")
"""


def test_while_files_are_moved_a_signal_takes_back_those_before(tmp_path):
    for name in "ac":
        (tmp_path / name).write_text("old")
    process = started("-c", TOP.format(command=MOVING), tmp_path)
    process.send_signal(signal.SIGTERM)
    assert ended(process) == (143, "sphericalreg: stopped; nothing was written.\n")
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {"a": "old", "c": "old"}


PLACED = """
from SphericalRegLib.cli import outputs
from SphericalRegLib.cli.console import Console

def command(arguments):
    with outputs.output_files(Console(), [sys.argv[1]], []) as (file,):
        file.write_text("all")
    print("ready", flush=True)
    time.sleep(600)
"""


def test_after_the_files_are_in_place_it_says_so(tmp_path):
    process = started("-c", TOP.format(command=PLACED), tmp_path / "a")
    process.send_signal(signal.SIGTERM)
    assert ended(process) == (143, f"sphericalreg: stopped; its output was there already, whole: {tmp_path / 'a'}.\n")
    assert (tmp_path / "a").read_text() == "all"


TRAIN = """
import sys, time
from SphericalRegLib.cli import main
from SphericalRegLib.cli.reading import ct_reading

def reads(*_, **__):
    print("ready", flush=True)
    time.sleep(600)

if __name__ == "__main__":
    ct_reading.read_ct = reads
    sys.exit(main.main(["train", sys.executable, "-o", sys.argv[1]]))
"""


@pytest.mark.parametrize("kept", [False, True])
def test_a_stopped_training_tells_what_is_kept(kept, tmp_path):
    if kept:
        (tmp_path / "m.safetensors.training").mkdir()
        (tmp_path / "m.safetensors.training" / "regressor.safetensors").write_text("a checkpoint")
    process = started("-c", TRAIN, tmp_path / "m.safetensors")
    process.send_signal(signal.SIGTERM)
    code, said = ended(process)
    assert code == 143
    assert ("goes on from" if kept else "begins anew") in said.splitlines()[-1]
    assert "nothing was written" not in said


def test_workers_end_with_the_command_that_started_them(tmp_path):
    arguments = ["evaluate", "--ct", sample_path("pelvis_lumbar_3mm.nii.gz"), "--cases=500", "--workers=2", "--verbose"]
    arguments += ["--csv", tmp_path / "cases.csv", "--candidates=1", "--downsample=2"]
    process = subprocess.Popen(
        [sys.executable, "-m", "SphericalRegLib.cli.main", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    # the first case is done: both workers are at work or about to be
    while '"index"' not in (line := process.stderr.readline()):
        assert line, "it ended"
    os.kill(process.pid, signal.SIGTERM)
    assert ended(process) == (143, "sphericalreg: stopped; nothing was written.\n")
    deadline = time.monotonic() + PATIENCE_S
    while not is_group_gone(process.pid):
        assert time.monotonic() < deadline, "workers outlive their parent"
        time.sleep(0.05)
    # that one is torch's
    assert [name for name in os.listdir(tmp_path) if not name.startswith("torchinductor")] == []


def is_group_gone(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False
