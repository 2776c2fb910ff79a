"""The state machine: every way in and out of every state, in order, whatever engines and listeners do."""

import logging

import pytest

from SphericalRegLib.app import BusyError, Cancelled, Controller, Failed, Finished, State, StateChanged
from SphericalRegLib.errors import InputError
from Testing.Python.app.doubles import CountingJob, Diary, HandTurned


@pytest.fixture
def scheduler():
    return HandTurned()


@pytest.fixture
def controller(scheduler):
    return Controller(scheduler)


@pytest.fixture
def diary(controller):
    diary = Diary()
    controller.events.connect(diary)
    return diary


def test_a_run_tells_its_states_steps_and_result_in_order(controller, scheduler, diary):
    controller.start(CountingJob)
    scheduler.run_out()
    assert diary.words == ["preparing", "running", "step 1", "step 2", "step 3", "result outcome", "idle"]
    assert [event.count for event in diary.events if hasattr(event, "count")] == [1, 2, 3]
    assert controller.state is State.IDLE


def test_starting_does_no_work_before_the_scheduler_calls(controller, scheduler):
    made = []
    controller.start(lambda: made.append(1) or CountingJob())
    assert made == []
    assert controller.state is State.PREPARING
    scheduler.turn()
    assert made == [1]
    assert controller.state is State.RUNNING


def test_one_step_is_done_in_each_scheduled_call(controller, scheduler):
    job = CountingJob(steps=5)
    controller.start(lambda: job)
    scheduler.turn()
    done = []
    for _ in range(5):
        scheduler.turn()
        done.append(job.done)
    assert done == [1, 2, 3, 4, 5]
    assert len(scheduler.waiting) == 1


def test_steps_are_taken_until_the_slice_is_over(scheduler):
    now = [0.0]
    job = CountingJob(steps=7, on_step=lambda number: now.__setitem__(0, now[0] + 0.04))
    controller = Controller(scheduler, 0.1, clock=lambda: now[0])
    diary = Diary()
    controller.events.connect(diary)
    controller.start(lambda: job)
    scheduler.turn()
    done = []
    while scheduler.waiting:
        scheduler.turn()
        done.append(job.done)
    assert done == [3, 6, 7]
    assert diary.words == ["preparing", "running", *[f"step {n}" for n in range(1, 8)], "result outcome", "idle"]


def test_a_listener_that_abandons_in_mid_slice_ends_it(scheduler):
    job = CountingJob(steps=7)
    controller = Controller(scheduler, 100.0)
    controller.events.connect(lambda event: controller.abandon() if getattr(event, "count", 0) == 2 else None)
    controller.start(lambda: job)
    scheduler.run_out()
    assert (job.done, job.closed, controller.state) == (2, True, State.IDLE)


def test_a_job_without_steps_has_a_result_all_the_same(controller, scheduler, diary):
    controller.start(lambda: CountingJob(steps=0))
    scheduler.run_out()
    assert diary.words == ["preparing", "running", "result outcome", "idle"]


def test_results_of_several_runs_come_in_order_and_with_their_numbers(controller, scheduler, diary):
    for name in "abc":
        controller.start(lambda name=name: CountingJob(outcome=name))
        scheduler.run_out()
    assert [(event.run, event.result) for event in diary.of(Finished)] == [(1, "a"), (2, "b"), (3, "c")]
    assert [event.run for event in diary.events] == sorted(event.run for event in diary.events)


class TestStartingWhileBusy:
    @pytest.mark.parametrize("turns", [0, 1, 2])
    def test_is_refused_and_harms_nothing(self, controller, scheduler, diary, turns):
        controller.start(CountingJob)
        scheduler.turn(turns)
        word = controller.state.value
        with pytest.raises(BusyError, match=f"{word}.*cancel it, or wait"):
            controller.start(lambda: CountingJob(outcome="second"))
        scheduler.run_out()
        assert [event.result for event in diary.of(Finished)] == ["outcome"]
        assert controller.run == 1

    def test_is_refused_while_cancelling(self, controller, scheduler):
        controller.start(CountingJob)
        controller.cancel()
        with pytest.raises(BusyError, match="cancelling"):
            controller.start(CountingJob)


class TestCancelling:
    def test_an_idle_controller_does_nothing(self, controller, diary):
        assert controller.cancel() is False
        assert diary.events == []

    def test_while_preparing_never_calls_the_engine(self, controller, scheduler, diary):
        made = []
        controller.start(lambda: made.append(1) or CountingJob())
        assert controller.cancel() is True
        assert controller.state is State.CANCELLING
        scheduler.run_out()
        assert made == []
        assert diary.words == ["preparing", "cancelling", "cancelled after 0", "idle"]

    def test_from_within_the_engine_does_no_step(self, controller, scheduler, diary):
        job = CountingJob()
        controller.start(lambda: controller.cancel() and job)
        scheduler.run_out()
        assert job.done == 0
        assert diary.words == ["preparing", "cancelling", "cancelled after 0", "idle"]

    @pytest.mark.parametrize("steps", [0, 1, 2])
    def test_while_running_stops_before_the_next_step_and_closes_the_job(self, controller, scheduler, diary, steps):
        job = CountingJob()
        controller.start(lambda: job)
        scheduler.turn(1 + steps)
        controller.cancel()
        scheduler.run_out()
        assert job.done == steps
        assert job.closed or steps == 0
        assert job.results == 0
        assert diary.words[-3:] == ["cancelling", f"cancelled after {steps}", "idle"]
        assert diary.of(Finished) == []

    def test_from_within_a_step_lets_this_step_be_told_and_no_other_be_done(self, controller, scheduler, diary):
        job = CountingJob(on_step=lambda number: number == 2 and controller.cancel())
        controller.start(lambda: job)
        scheduler.run_out()
        assert job.done == 2
        assert diary.words[-4:] == ["cancelling", "step 2", "cancelled after 2", "idle"]

    def test_from_within_the_last_step_gives_no_result(self, controller, scheduler, diary):
        job = CountingJob(on_step=lambda number: number == 3 and controller.cancel())
        controller.start(lambda: job)
        scheduler.run_out()
        assert diary.of(Finished) == []
        assert len(diary.of(Cancelled)) == 1

    def test_while_the_result_is_made_gives_no_result(self, controller, scheduler, diary):
        class Slow(CountingJob):
            def result(self):
                controller.cancel()
                return "too late"

        controller.start(Slow)
        scheduler.run_out()
        assert diary.of(Finished) == []
        assert diary.words[-2:] == ["cancelled after 3", "idle"]

    def test_twice_is_as_once(self, controller, scheduler, diary):
        controller.start(CountingJob)
        scheduler.turn(2)
        assert controller.cancel() is True
        assert controller.cancel() is False
        scheduler.run_out()
        assert len(diary.of(Cancelled)) == 1

    def test_a_failed_controller_leaves_the_failure_standing(self, controller, scheduler):
        controller.start(lambda: CountingJob(fail_at=(1, InputError("bad"))))
        scheduler.run_out()
        assert controller.cancel() is False
        assert controller.state is State.FAILED

    def test_leaves_the_controller_ready_for_the_next_run(self, controller, scheduler, diary):
        controller.start(CountingJob)
        scheduler.turn(2)
        controller.cancel()
        scheduler.run_out()
        controller.start(lambda: CountingJob(outcome="next"))
        scheduler.run_out()
        assert [event.result for event in diary.of(Finished)] == ["next"]

    def test_a_job_that_cannot_stop_cleanly_is_an_error(self, controller, scheduler, diary):
        controller.start(lambda: CountingJob(fail_at_close=InputError("the child lives on")))
        scheduler.turn(2)
        controller.cancel()
        scheduler.run_out()
        assert controller.state is State.FAILED
        assert diary.of(Failed)[0].failure.message == "the child lives on"


class TestAnEngineThatRaises:
    @pytest.mark.parametrize(
        ("job", "steps"),
        [
            (None, []),
            (CountingJob(fail_at=(1, InputError("SDD is -1: give it."))), []),
            (CountingJob(fail_at=(3, InputError("SDD is -1: give it."))), ["step 1", "step 2"]),
            (CountingJob(fail_in_result=InputError("SDD is -1: give it.")), ["step 1", "step 2", "step 3"]),
        ],
        ids=["at construction", "at the first step", "in mid-run", "at the result"],
    )
    def test_leads_to_failed_with_its_message(self, controller, scheduler, diary, job, steps):
        def engine():
            if job is None:
                raise InputError("SDD is -1: give it.")
            return job

        controller.start(engine)
        scheduler.run_out()
        assert controller.state is State.FAILED
        begun = [] if job is None else ["running"]
        assert diary.words == ["preparing", *begun, *steps, "error SDD is -1: give it.", "failed"]
        assert job is None or job.closed

    def test_works_the_next_time(self, controller, scheduler, diary):
        controller.start(lambda: CountingJob(fail_at=(2, InputError("bad"))))
        scheduler.run_out()
        controller.start(CountingJob)
        scheduler.run_out()
        assert diary.words[-2:] == ["result outcome", "idle"]
        assert controller.state is State.IDLE

    def test_whose_job_cannot_be_iterated_fails_too(self, controller, scheduler, diary):
        controller.start(lambda: 3)
        scheduler.run_out()
        assert controller.state is State.FAILED
        assert "not iterable" in diary.of(Failed)[0].failure.message

    def test_an_interrupt_is_passed_on_and_leaves_no_run_behind(self, controller, scheduler):
        controller.start(lambda: CountingJob(fail_at=(1, KeyboardInterrupt())))
        scheduler.turn()
        with pytest.raises(KeyboardInterrupt):
            scheduler.turn()
        assert controller.state is State.FAILED
        assert scheduler.waiting == []

    def test_while_cancelling_is_told_as_an_error(self, controller, scheduler, diary):
        def stop_and_fail(number):
            controller.cancel()
            raise InputError(f"broke in step {number}")

        controller.start(lambda: CountingJob(on_step=stop_and_fail))
        scheduler.run_out()
        assert diary.words[-3:] == ["cancelling", "error broke in step 1", "failed"]

    def test_a_failure_can_be_dismissed(self, controller, scheduler, diary):
        controller.start(lambda: CountingJob(fail_at=(1, InputError("bad"))))
        scheduler.run_out()
        controller.dismiss()
        assert controller.state is State.IDLE
        controller.dismiss()
        assert diary.words[-1] == "idle"

    def test_a_defect_is_logged_with_its_traceback_and_a_mistake_is_not(self, controller, scheduler, caplog):
        controller.start(lambda: CountingJob(fail_at=(1, InputError("yours"))))
        scheduler.run_out()
        assert caplog.records == []
        controller.start(lambda: CountingJob(fail_at=(1, ZeroDivisionError("ours"))))
        scheduler.run_out()
        assert [record.exc_info[0] for record in caplog.records] == [ZeroDivisionError]


class TestAScheduler:
    def test_that_raises_at_the_start_leads_to_failed(self, diary):
        def broken(_):
            raise RuntimeError("no event loop")

        controller = Controller(broken)
        controller.events.connect(diary)
        controller.start(CountingJob)
        assert controller.state is State.FAILED
        assert "no event loop" in diary.of(Failed)[0].failure.message

    def test_that_calls_again_what_is_over_does_nothing(self, controller, scheduler, diary):
        controller.start(CountingJob)
        late = scheduler.waiting[0]
        scheduler.run_out()
        told = len(diary.events)
        late()
        assert len(diary.events) == told


class TestAbandoning:
    @pytest.mark.parametrize("turns", [0, 1, 2, 3])
    def test_stops_at_once_and_does_nothing_more(self, controller, scheduler, diary, turns):
        job = CountingJob()
        controller.start(lambda: job)
        scheduler.turn(turns)
        controller.abandon()
        assert controller.state is State.IDLE
        told = len(diary.events)
        done = job.done
        scheduler.run_out()
        assert (len(diary.events), job.done) == (told, done)
        assert isinstance(diary.events[-2], Cancelled)

    def test_while_cancelling_stops_at_once(self, controller, scheduler, diary):
        controller.start(CountingJob)
        scheduler.turn(2)
        controller.cancel()
        controller.abandon()
        assert diary.words[-3:] == ["cancelling", "cancelled after 1", "idle"]
        scheduler.run_out()
        assert len(diary.of(Cancelled)) == 1

    def test_an_idle_or_failed_controller_does_nothing(self, controller, scheduler, diary):
        controller.abandon()
        assert diary.events == []
        controller.start(lambda: CountingJob(fail_at=(1, InputError("bad"))))
        scheduler.run_out()
        controller.abandon()
        assert controller.state is State.FAILED

    def test_from_within_a_step_closes_the_job_when_the_step_is_over(self, controller, scheduler, diary):
        job = CountingJob(on_step=lambda number: number == 2 and controller.abandon())
        controller.start(lambda: job)
        scheduler.run_out()
        assert job.done == 2
        assert job.closed
        assert diary.words[-2:] == ["cancelled after 1", "idle"]

    def test_from_within_the_engine_never_begins(self, controller, scheduler, diary):
        job = CountingJob()
        controller.start(lambda: controller.abandon() or job)
        scheduler.run_out()
        assert job.done == 0
        assert diary.words == ["preparing", "cancelled after 0", "idle"]

    def test_and_starting_again_keeps_the_runs_apart(self, controller, scheduler, diary):
        controller.start(lambda: CountingJob(outcome="old"))
        scheduler.turn(2)
        controller.abandon()
        controller.start(lambda: CountingJob(outcome="new"))
        scheduler.run_out()
        assert [event.result for event in diary.of(Finished)] == ["new"]
        assert [event.step for event in diary.events if hasattr(event, "step")] == [1, 1, 2, 3]

    def test_a_run_that_then_fails_is_logged_and_not_told(self, controller, scheduler, diary, caplog):
        def leave_and_fail(_):
            controller.abandon()
            raise InputError("nobody is there")

        controller.start(lambda: CountingJob(on_step=leave_and_fail))
        scheduler.run_out()
        assert diary.of(Failed) == []
        assert controller.state is State.IDLE
        assert "abandoned" in caplog.text


class TestListeners:
    def test_one_that_raises_harms_neither_the_run_nor_the_others(self, controller, scheduler, caplog):
        def broken(event):
            raise RuntimeError("listener")

        controller.events.connect(broken)
        diary = Diary()
        controller.events.connect(diary)
        with caplog.at_level(logging.ERROR):
            controller.start(CountingJob)
            scheduler.run_out()
        assert diary.words[-2:] == ["result outcome", "idle"]
        assert len(caplog.records) == len(diary.events)

    def test_one_that_is_forgotten_hears_no_more(self, controller, scheduler):
        diary = Diary()
        forget = controller.events.connect(diary)
        controller.start(CountingJob)
        told = len(diary.events)
        forget()
        forget()
        scheduler.run_out()
        assert len(diary.events) == told

    def test_one_that_starts_the_next_run_at_the_result_leaves_the_order_whole(self, controller, scheduler):
        def chain(event):
            if isinstance(event, Finished) and event.run < 3:
                controller.start(lambda: CountingJob(steps=1, outcome=event.run + 1))

        diary = Diary()
        controller.events.connect(chain)
        controller.events.connect(diary)
        controller.start(lambda: CountingJob(steps=1, outcome=1))
        scheduler.run_out()
        one = ["preparing", "running", "step 1"]
        assert diary.words == [*one, "result 1", "idle", *one, "result 2", "idle", *one, "result 3", "idle"]
        assert [event.run for event in diary.events] == [1] * 5 + [2] * 5 + [3] * 5

    def test_one_that_cancels_at_the_first_news_stops_the_run(self, controller, scheduler, diary):
        controller.events.connect(lambda event: isinstance(event, StateChanged) and controller.cancel())
        controller.start(CountingJob)
        scheduler.run_out()
        assert diary.words == ["preparing", "cancelling", "cancelled after 0", "idle"]

    def test_see_the_state_that_the_controller_is_free_when_the_outcome_is_told(self, controller, scheduler):
        seen = []
        controller.events.connect(
            lambda event: isinstance(event, Finished | Failed | Cancelled) and seen.append(controller.state)
        )
        controller.start(CountingJob)
        scheduler.run_out()
        controller.start(lambda: CountingJob(fail_at=(1, InputError("bad"))))
        scheduler.run_out()
        controller.start(CountingJob)
        controller.cancel()
        scheduler.run_out()
        assert seen == [State.IDLE, State.FAILED, State.IDLE]
