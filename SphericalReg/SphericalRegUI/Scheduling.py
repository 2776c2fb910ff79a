"""Schedulers of Qt: they call later, so that the application handles its events in between."""

import qt

# Milliseconds between looks at a child process.
_PAUSE = 100


class Timer:
    """Calls functions later, one each time; a single timer, for Slicer keeps those of ``singleShot`` for ever.

    :param milliseconds: until the next one is called.
    """

    def __init__(self, milliseconds):
        self._waiting = []
        self._timer = qt.QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(milliseconds)
        self._timer.connect("timeout()", self._call)

    def __call__(self, function):
        self._waiting.append(function)
        if not self._timer.isActive():
            self._timer.start()

    def stop(self):
        """Forget what waits."""
        self._timer.stop()
        self._waiting.clear()

    def _call(self):
        if not self._waiting:
            return
        function = self._waiting.pop(0)
        if self._waiting:
            self._timer.start()
        function()


def soon():
    """Calls when the events that wait now have been handled."""
    return Timer(0)


def afterAPause():
    """Calls in a tenth of a second."""
    return Timer(_PAUSE)
