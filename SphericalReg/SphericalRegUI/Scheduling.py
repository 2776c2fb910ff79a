"""Schedulers of Qt: they call later, so that the application handles its events in between."""

import qt

# Milliseconds between looks at a child process.
_PAUSE = 100


def soon(function):
    """Call when the events that wait now have been handled."""
    qt.QTimer.singleShot(0, function)


def afterAPause(function):
    """Call in a tenth of a second."""
    qt.QTimer.singleShot(_PAUSE, function)
