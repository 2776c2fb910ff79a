"""Work is shared out among threads: all of it, once, from anywhere, and with errors told."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from SphericalRegLib import threads
from SphericalRegLib.cli.main import main
from SphericalRegLib.errors import InputError


@pytest.fixture
def four_threads(monkeypatch):
    monkeypatch.setattr(threads, "_chosen", 4)


def count_rows(rows: int, parts: int) -> np.ndarray:
    done, lock = np.zeros(rows, int), threading.Lock()

    def work(first: int, last: int) -> None:
        with lock:
            done[first:last] += 1

    threads.share_out(work, rows, parts)
    return done


@pytest.mark.parametrize(("rows", "parts"), [(1, 1), (1, 9), (7, 0), (7, 3), (100, 1000), (1000, 31)])
def test_every_row_is_computed_once(rows, parts, four_threads):
    assert (count_rows(rows, parts) == 1).all()


def test_no_row_is_no_work(four_threads):
    assert count_rows(0, 5).sum() == 0


def test_threads_take_part(four_threads):
    both = threading.Barrier(2, timeout=60)
    # ends only if two threads are within at the same time
    threads.share_out(lambda first, last: both.wait(), 2, 2)


def test_many_callers_and_calls_within_calls_end(four_threads):
    with ThreadPoolExecutor(8) as pool:
        for done in pool.map(lambda n: count_rows(50 + n, 20), range(40)):
            assert (done == 1).all()
    inner = []
    threads.share_out(lambda first, last: inner.append(count_rows(20, 10)), 10, 10)
    assert len(inner) == 10
    assert all((done == 1).all() for done in inner)


def test_an_error_of_any_part_is_raised_and_ends_the_others(four_threads):
    def work(first: int, last: int) -> None:
        if first == 30:
            raise ValueError("row 30")

    for _ in range(5):
        with pytest.raises(ValueError, match="row 30"):
            threads.share_out(work, 32, 32)
    assert (count_rows(100, 10) == 1).all()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_has_threads_of_its_own(four_threads):
    count_rows(100, 10)
    child = os.fork()
    if child == 0:
        os._exit(0 if (count_rows(100, 10) == 1).all() else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_threads_are_as_set_else_as_the_environment_says(monkeypatch):
    monkeypatch.setattr(threads, "_chosen", None)
    monkeypatch.setenv("NUMBA_NUM_THREADS", "3")
    monkeypatch.setenv("OMP_NUM_THREADS", "5,2")
    assert threads.get_threads() == 3
    monkeypatch.delenv("NUMBA_NUM_THREADS")
    assert threads.get_threads() == 5
    monkeypatch.setenv("OMP_NUM_THREADS", "many")
    assert 1 <= threads.get_threads() <= (os.cpu_count() or 1)
    before = torch.get_num_threads()
    try:
        threads.set_threads(2)
        assert threads.get_threads() == torch.get_num_threads() == 2
        threads.set_threads(None)
        assert threads.get_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("count", [0, -1, 1025])
def test_impossible_numbers_of_threads_are_refused(count):
    with pytest.raises(InputError, match=f"threads={count}"):
        threads.set_threads(count)


@pytest.mark.parametrize(
    "arguments",
    [
        ["register", "--ct", "a.nii", "--xray", "b.dcm", "--output", "c"],
        ["evaluate", "--ct", "a.nii"],
        ["landscape", "--ct", "a.nii", "--xray", "b.dcm", "--output", "c"],
        ["train", "--ct", "a.nii", "--output", "c"],
        ["simulate", "--ct", "a.nii", "--output", "b.dcm", "--truth", "c.json"],
        ["render", "--ct", "a.nii", "--output", "b.png"],
        ["demo"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_every_command_that_computes_has_the_option(arguments, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.nii", "b.dcm"):
        (tmp_path / name).touch()
    assert main([*arguments, "--threads", "0"]) == 2
    assert "--threads 0" in capsys.readouterr().err


def test_torch_has_one_thread_within_steps_and_its_own_between(monkeypatch):
    monkeypatch.setattr(threads.SphericalRegLib, "TORCH_WAITS_PASSIVELY", False)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:

        @threads.quietly
        def steps():
            for _ in range(2):
                yield torch.get_num_threads()

        @threads.quietly
        def whole():
            return torch.get_num_threads()

        for within in steps():
            assert (within, torch.get_num_threads()) == (1, 2)
        assert (whole(), torch.get_num_threads()) == (1, 2)
        with ThreadPoolExecutor(4) as pool:
            assert set(pool.map(lambda _: whole(), range(50))) == {1}
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
