"""Messages in the panel instead of dialogs: errors with their remedy beside what caused them."""

import contextlib
import logging

import slicer

ERROR_STYLE = "color: #b3261e;"
GOOD_STYLE = "color: #1b7f3b; font-weight: bold;"
BAD_STYLE = "color: #b3261e; font-weight: bold;"


def say(label, text, style=""):
    """Show a text, or nothing where it is empty."""
    label.text = text
    label.styleSheet = style
    label.setVisible(bool(text))


def showPath(pathLineEdit, path):
    """Show a path without telling it back. (Slicer's own binding, to a ``pathlib.Path``, shows an empty one as '.'.)"""
    if pathLineEdit.currentPath != path:
        blocked = pathLineEdit.blockSignals(True)
        pathLineEdit.currentPath = path
        pathLineEdit.blockSignals(blocked)


@contextlib.contextmanager
def reported(label):
    """Within it errors are told in a label, in words with a remedy; what is a defect is logged as well."""
    from SphericalRegLib.control.failure import failure_of

    try:
        with slicer.util.WaitCursor():
            yield
    except Exception as error:
        failure = failure_of(error)
        if not failure.expected:
            logging.exception("SphericalReg")
        say(label, failure.text, ERROR_STYLE)
