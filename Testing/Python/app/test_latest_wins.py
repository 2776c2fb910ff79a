"""Coalescing: the newest request is done, at most one is pending."""

import pytest

from SphericalRegLib.app import LatestWins
from Testing.Python.app.doubles import HandTurned


@pytest.fixture
def scheduler():
    return HandTurned()


@pytest.fixture
def done():
    return []


@pytest.fixture
def renderer(scheduler, done):
    return LatestWins(scheduler, done.append)


def test_only_the_newest_of_many_requests_is_done(renderer, scheduler, done):
    for pose in range(100):
        renderer.ask(pose)
        assert len(scheduler.waiting) == 1
    scheduler.run_out()
    assert done == [99]


def test_nothing_is_done_within_the_request(renderer, done):
    renderer.ask(1)
    assert done == []
    assert renderer.pending


def test_requests_one_after_another_are_all_done(renderer, scheduler, done):
    for pose in range(3):
        renderer.ask(pose)
        scheduler.run_out()
    assert done == [0, 1, 2]
    assert not renderer.pending


def test_what_is_asked_for_during_the_work_is_done_once_afterwards(scheduler):
    done = []

    def work(pose):
        done.append(pose)
        if pose == 0:
            for newer in (1, 2, 3):
                renderer.ask(newer)
                assert scheduler.waiting == []

    renderer = LatestWins(scheduler, work)
    renderer.ask(0)
    scheduler.turn()
    assert len(scheduler.waiting) == 1
    scheduler.run_out()
    assert done == [0, 3]


def test_a_request_can_be_none(renderer, scheduler, done):
    renderer.ask(None)
    scheduler.run_out()
    assert done == [None]


def test_what_is_cancelled_is_never_done_and_the_next_request_is_done_once(renderer, scheduler, done):
    renderer.ask(1)
    renderer.cancel()
    renderer.ask(2)
    scheduler.run_out()
    assert done == [2]


def test_work_that_raises_is_told_and_the_next_request_is_done(scheduler):
    errors, done = [], []

    def work(pose):
        if pose == 1:
            raise ValueError("no pose")
        done.append(pose)

    renderer = LatestWins(scheduler, work, errors.append)
    renderer.ask(1)
    scheduler.run_out()
    renderer.ask(2)
    scheduler.run_out()
    assert [str(error) for error in errors] == ["no pose"]
    assert done == [2]


def test_work_that_raises_is_logged_where_nobody_listens(scheduler, caplog):
    renderer = LatestWins(scheduler, lambda _: 1 / 0)
    renderer.ask(1)
    scheduler.run_out()
    assert "ZeroDivisionError" in caplog.text


def test_a_scheduler_that_raises_once_does_not_block_the_next_request(done):
    calls = []

    def schedule(function):
        calls.append(function)
        if len(calls) == 1:
            raise RuntimeError("no event loop")

    renderer = LatestWins(schedule, done.append)
    with pytest.raises(RuntimeError):
        renderer.ask(1)
    renderer.ask(2)
    calls[-1]()
    assert done == [2]
