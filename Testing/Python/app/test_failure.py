"""Exceptions as a user should read them."""

import errno

import pytest

from SphericalRegLib.app import Signal
from SphericalRegLib.app.control.failure import failure_of, told_later
from SphericalRegLib.errors import GeometryError
from Testing.Python.app.doubles import HandTurned


def test_an_error_of_ours_speaks_for_itself():
    failure = failure_of(GeometryError("The SDD is 0 mm: give the C-arm's value."))
    assert failure.text == "The SDD is 0 mm: give the C-arm's value."
    assert failure.expected


@pytest.mark.parametrize(
    ("error", "message", "remedy"),
    [
        (ModuleNotFoundError("No module named 'torch'", name="torch"), "torch", "Install it"),
        (MemoryError(), "memory", "crop the CT"),
        (OSError(errno.ENOSPC, "No space left on device", "/full"), "/full", "Check"),
    ],
    ids=["a missing package", "too little memory", "a full disk"],
)
def test_errors_of_the_machine_get_a_remedy(error, message, remedy):
    failure = failure_of(error)
    assert message in failure.message
    assert remedy in failure.remedy
    assert failure.expected


def test_a_defect_is_named_as_such():
    failure = failure_of(ZeroDivisionError("division by zero"))
    assert failure.message == "ZeroDivisionError: division by zero."
    assert "report it" in failure.remedy
    assert not failure.expected


def test_an_error_without_words_is_named_by_its_type():
    assert "KeyError" in failure_of(KeyError()).text


def test_an_error_can_be_told_later_and_goes_on_all_the_same():
    scheduler, message, told = HandTurned(), Signal("a message"), []
    message.connect(told.append)
    with told_later(scheduler, message):
        pass
    assert scheduler.waiting == []
    with pytest.raises(GeometryError), told_later(scheduler, message):
        raise GeometryError("The SDD is 0 mm.")
    assert told == []
    scheduler.run_out()
    assert told == ["The SDD is 0 mm."]
