"""Real child processes: their lines, their ends, and that nothing of them survives a cancel."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from SphericalRegLib.app import Cancelled, Controller, Failed, Finished, Progressed, State
from SphericalRegLib.app.jobs.child_process import ProcessError, ProcessJob, start_process
from Testing.Python.app.doubles import Diary

posix_only = pytest.mark.skipif(os.name != "posix", reason="looks at POSIX processes")


class Paused:
    """A scheduler with a pause, as the panel uses for processes."""

    def __init__(self):
        self.waiting = []

    def __call__(self, function):
        self.waiting.append(function)

    def run_until(self, condition, seconds=60.0):
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "it takes too long"
            if self.waiting:
                self.waiting.pop(0)()
            time.sleep(0.005)


@pytest.fixture
def scheduler():
    return Paused()


@pytest.fixture
def controller(scheduler):
    return Controller(scheduler)


@pytest.fixture
def diary(controller):
    diary = Diary()
    controller.events.connect(diary)
    return diary


def python(code, **options):
    return lambda: ProcessJob([sys.executable, "-c", code], **options)


def lines_of(diary):
    return [line for event in diary.of(Progressed) for line in event.step]


def is_alive(pid):
    """Whether it runs; a zombie, which nobody has waited for yet, does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_until(condition, seconds=30.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it takes too long"
        time.sleep(0.01)


def test_lines_arrive_in_order_and_while_the_process_runs(controller, scheduler, diary):
    controller.start(python("import time\nfor i in range(3):\n print('line', i); time.sleep(0.2)"))
    scheduler.run_until(lambda: lines_of(diary))
    assert controller.state is State.RUNNING
    scheduler.run_until(lambda: not controller.state.busy)
    assert lines_of(diary) == ["line 0", "line 1", "line 2"]
    assert diary.of(Finished)[0].result == ["line 0", "line 1", "line 2"]


def test_both_channels_odd_bytes_and_rewritten_lines_are_read(controller, scheduler, diary):
    code = r"import sys; sys.stderr.write('10 %\r20 %\n'); sys.stdout.buffer.write(b'caf\xc3\xa9 \xff no newline')"
    controller.start(python(code))
    scheduler.run_until(lambda: not controller.state.busy)
    assert sorted(lines_of(diary)) == ["10 %", "20 %", "café \ufffd no newline"]


def test_ten_thousand_lines_do_not_block(controller, scheduler, diary):
    controller.start(python("for i in range(10000): print(i)"))
    scheduler.run_until(lambda: not controller.state.busy)
    assert lines_of(diary) == [str(i) for i in range(10000)]
    assert len(diary.of(Finished)[0].result) == 20


def test_a_process_that_fails_is_told_with_its_code_and_last_words(controller, scheduler, diary):
    controller.start(python("import sys; print('epoch 1'); sys.exit('The CT has no bone: choose another.')"))
    scheduler.run_until(lambda: not controller.state.busy)
    assert controller.state is State.FAILED
    assert diary.of(Failed)[0].failure.message == "The process ended with code 1: The CT has no bone: choose another."


def test_a_program_that_is_not_there_is_an_error_that_names_it(controller, scheduler, diary):
    controller.start(lambda: ProcessJob(["/no/such/program"]))
    scheduler.run_until(lambda: not controller.state.busy)
    assert "/no/such/program cannot be started" in diary.of(Failed)[0].failure.message


def test_a_step_never_waits(controller, scheduler, diary):
    controller.start(python("import time; time.sleep(30)"))
    scheduler.run_until(lambda: controller.state is State.RUNNING)
    began = time.monotonic()
    for _ in range(20):
        scheduler.waiting.pop(0)()
    # one that waits would take 30 s
    assert time.monotonic() - began < 10.0
    controller.abandon()


@posix_only
class TestCancelling:
    # prints its own number and that of a child that would sleep on
    FAMILY = (
        "import os, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "print(os.getpid(), child.pid)\n"
        "time.sleep(60)"
    )

    def family(self, controller, scheduler, diary, code=FAMILY, **options):
        controller.start(python(code, **options))
        scheduler.run_until(lambda: lines_of(diary))
        pids = [int(pid) for pid in lines_of(diary)[0].split()]
        assert all(is_alive(pid) for pid in pids)
        return pids

    def test_ends_the_process_and_its_children(self, controller, scheduler, diary):
        pids = self.family(controller, scheduler, diary)
        controller.cancel()
        scheduler.run_until(lambda: not controller.state.busy)
        wait_until(lambda: not any(is_alive(pid) for pid in pids))
        assert len(diary.of(Cancelled)) == 1
        assert controller.state is State.IDLE

    def test_by_abandoning_ends_them_at_once(self, controller, scheduler, diary):
        pids = self.family(controller, scheduler, diary)
        controller.abandon()
        wait_until(lambda: not any(is_alive(pid) for pid in pids))

    def test_lets_a_process_end_that_listens_to_the_end_of_its_input_only(self, controller, scheduler, diary, tmp_path):
        listens = "import os, pathlib, signal, sys\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint(os.getpid())\n"
        saves = f"sys.stdin.read()\npathlib.Path({str(tmp_path / 'saved')!r}).write_text('all of it')"
        (pid,) = self.family(controller, scheduler, diary, listens + saves, grace=60.0)
        controller.cancel()
        scheduler.run_until(lambda: not controller.state.busy)
        wait_until(lambda: not is_alive(pid))
        assert (tmp_path / "saved").read_text() == "all of it"

    def test_ends_a_process_that_does_not_want_to(self, controller, scheduler, diary):
        stubborn = "import os, signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint(os.getpid())\n"
        (pid,) = self.family(controller, scheduler, diary, stubborn + "time.sleep(60)", grace=4.0)
        began = time.monotonic()
        controller.cancel()
        scheduler.run_until(lambda: not controller.state.busy)
        # nobody waits while it has its time to save what it was at
        assert time.monotonic() - began < 3.0
        assert is_alive(pid)
        wait_until(lambda: not is_alive(pid))

    def test_before_the_process_is_started_starts_none(self, controller, scheduler, diary):
        started = []
        controller.start(lambda: ProcessJob(["x"], lambda arguments: started.append(arguments)))
        controller.cancel()
        scheduler.run_until(lambda: not controller.state.busy)
        assert started == []

    def test_children_that_outlive_a_process_that_ended_well_are_ended(self, controller, scheduler, diary):
        code = (
            "import subprocess, sys\n"
            "quiet = dict(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)\n"
            "print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], **quiet).pid)"
        )
        controller.start(python(code))
        scheduler.run_until(lambda: not controller.state.busy)
        (pid,) = (int(line) for line in lines_of(diary))
        assert len(diary.of(Finished)) == 1
        wait_until(lambda: not is_alive(pid))


def test_the_factory_gets_the_arguments():
    asked = []

    def factory(arguments):
        asked.append(arguments)
        return start_process(arguments)

    arguments = [sys.executable, "-c", "print('here')"]
    job = ProcessJob(arguments, factory)
    assert [line for lines in job for line in lines] == ["here"]
    assert asked == [arguments]
    assert job.result() == ["here"]


def test_there_is_no_result_before_the_end():
    with pytest.raises(ProcessError, match="not ended"):
        ProcessJob([sys.executable]).result()


@posix_only
def test_a_process_killed_from_outside_is_an_error():
    job = ProcessJob([sys.executable, "-c", "import os, time; print(os.getpid()); time.sleep(60)"])
    for lines in job:
        for line in lines:
            os.kill(int(line), signal.SIGKILL)
    with pytest.raises(ProcessError, match="code -9"):
        job.result()


@posix_only
def test_a_process_that_closes_its_output_and_lives_on_is_stopped():
    process = []

    def factory(arguments):
        process.append(start_process(arguments))
        return process[0]

    code = "import os, time; os.close(1); os.close(2); time.sleep(60)"
    job = ProcessJob([sys.executable, "-c", code], factory)
    with pytest.raises(ProcessError, match="went silent"):
        list(job)
    assert isinstance(process[0], subprocess.Popen)
    wait_until(lambda: process[0].returncode is not None)
