"""Tracking as a job: typed events, time left, cancelling, going on."""

import itertools

import pytest
import torch

from SphericalRegLib.app.jobs.track_job import FrameTracked, TrackInputs, TrackJob, Working, described
from SphericalRegLib.errors import InputError
from SphericalRegLib.tracking.expectation import Motion
from SphericalRegLib.tracking.tracker import Plan
from Testing.Python.tracking.phantom import BODIES, keyframes, sequence, system

PLAN = Plan(Motion(4.0, 4.0), candidates=1)


def inputs(folder=None, frames=range(3), **options):
    return TrackInputs(BODIES, sequence(frames), system(), keyframes(), plan=PLAN, folder=folder, **options)


def test_events_tell_frames_their_number_and_the_time_left():
    ticks = itertools.count()
    job = TrackJob(inputs(), clock=lambda: float(next(ticks)))
    events = list(job)
    assert {type(event) for event in events} == {Working, FrameTracked}
    done = [event for event in events if isinstance(event, FrameTracked)]
    assert [(event.count, event.total) for event in done] == [(1, 3), (2, 3), (3, 3)]
    assert done[0].seconds_left is None
    assert done[1].seconds_left == pytest.approx(0.5)
    assert done[2].seconds_left == 0.0
    assert job.result().names == ("first", "second")


def test_a_job_that_was_closed_goes_on_where_it_was(tmp_path):
    steps = iter(TrackJob(inputs(tmp_path)))
    for event in steps:
        if isinstance(event, FrameTracked):
            break
    steps.close()
    job = TrackJob(inputs(tmp_path))
    done = [event for event in job if isinstance(event, FrameTracked)]
    assert [event.remembered for event in done] == [True, False, False]
    whole = TrackJob(inputs())
    list(whole)
    for one, other in zip(whole.result().frames, job.result().frames, strict=True):
        assert torch.equal(one.bodies[0].pose, other.bodies[0].pose)


def test_a_folder_of_another_track_is_refused(tmp_path):
    TrackJob(inputs(tmp_path))
    with pytest.raises(InputError, match=r"other inputs \(.*frames"):
        TrackJob(inputs(tmp_path, frames=range(4)))


def test_what_results_depend_on_is_told():
    content = described(inputs())
    assert set(content["bodies"]) == {"first", "second"}
    assert content["plan"]["motion"] == {"rotation_deg": 4.0, "translation_mm": 4.0}
    assert content["keyframes"]["0"]["first"] == keyframes()[0]["first"].tolist()


def test_nothing_to_start_from_is_refused():
    with pytest.raises(InputError, match="Nothing tells where"):
        TrackJob(TrackInputs(BODIES, sequence(range(2)), system(), {}))


def test_a_result_before_the_first_frame_is_refused():
    with pytest.raises(InputError, match="not begun"):
        TrackJob(inputs()).result()
