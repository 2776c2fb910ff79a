"""A signal tells many, and none of them can harm another."""

import logging

from SphericalRegLib.app import Signal


def test_every_listener_hears_in_the_order_in_which_they_came():
    signal, heard = Signal("something"), []
    signal.connect(lambda value: heard.append(("first", value)))
    signal.connect(lambda value: heard.append(("second", value)))
    signal.emit(3)
    assert heard == [("first", 3), ("second", 3)]


def test_one_that_is_disconnected_hears_no_more_and_may_be_disconnected_again():
    signal, heard = Signal("something"), []
    disconnect = signal.connect(heard.append)
    # the same function twice is two listeners
    signal.connect(heard.append)
    disconnect()
    disconnect()
    signal.emit("once")
    assert heard == ["once"]


def test_one_that_fails_stops_neither_the_others_nor_the_sender_and_is_reported(caplog):
    signal, heard = Signal("a drawing"), []
    signal.connect(lambda: 1 / 0)
    signal.connect(lambda: heard.append("told"))
    with caplog.at_level(logging.ERROR):
        signal.emit()
    assert heard == ["told"]
    (record,) = caplog.records
    assert record.getMessage() == "A listener failed on a drawing"
    assert record.exc_info[0] is ZeroDivisionError


def test_one_that_is_disconnected_or_connected_meanwhile():
    signal, heard = Signal("something"), []

    def first():
        last()
        signal.connect(lambda: heard.append("late"))

    signal.connect(first)
    last = signal.connect(lambda: heard.append("disconnected"))
    signal.emit()
    assert heard == []
    signal.emit()
    assert heard == ["late"]
