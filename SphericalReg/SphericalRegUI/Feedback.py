"""Messages in the panel instead of dialogs: errors with their remedy beside what caused them."""

import contextlib
import logging

from slicer.i18n import tr as _

ERROR_STYLE = "color: #b3261e;"
CAUTION_STYLE = "color: #9a6200;"
GOOD_STYLE = "color: #1b7f3b; font-weight: bold;"
DOUBT_STYLE = "color: #9a6200; font-weight: bold;"
BAD_STYLE = "color: #b3261e; font-weight: bold;"


def say(label, text, style=""):
    """Show a text, or nothing where it is empty."""
    label.text = text
    label.styleSheet = style
    label.setVisible(bool(text))


def followRun(event, label, bar, startButton, cancelButton):
    """Show what every run has in common: its end in words, and which buttons make sense; progress is the caller's."""
    from SphericalRegLib.app import Cancelled, Failed, Finished, StateChanged
    from SphericalRegLib.app.control.state import State

    if isinstance(event, Finished):
        say(label, "")
    elif isinstance(event, Cancelled):
        say(label, _("Cancelled. Nothing was changed."))
    elif isinstance(event, Failed):
        say(label, event.failure.text, ERROR_STYLE)
    elif isinstance(event, StateChanged):
        cancelButton.enabled = event.after in (State.PREPARING, State.RUNNING)
        startButton.enabled = not event.after.busy
        bar.setVisible(event.after.busy)
        if event.after is State.PREPARING:
            bar.setRange(0, 0)


def showPath(pathLineEdit, path):
    """Show a path without telling it back. (Slicer's own binding, to a ``pathlib.Path``, shows an empty one as '.'.)"""
    if pathLineEdit.currentPath != path:
        blocked = pathLineEdit.blockSignals(True)
        pathLineEdit.currentPath = path
        pathLineEdit.blockSignals(blocked)


def onPathTyped(pathLineEdit, function):
    """Call a function with each text that stands in a path's field, the empty one included.

    ``currentPathChanged`` is silent where the text does not fit the filter, and an empty one never does.
    """
    import qt

    pathLineEdit.findChildren(qt.QLineEdit)[0].connect("textChanged(QString)", function)


@contextlib.contextmanager
def reported(label):
    """Within it errors are told in a label, in words with a remedy; what is a defect is logged as well."""
    from SphericalRegLib.app.control.failure import failure_of

    try:
        yield
    except Exception as error:
        failure = failure_of(error)
        if not failure.expected:
            logging.exception("SphericalReg")
        say(label, failure.text, ERROR_STYLE)
