"""A live curve of the loss, drawn into a label."""

import math

import qt

_WIDTH, _HEIGHT, _MARGIN = 400, 90, 4
# More points than pixels do not show.
_MOST = 2000


class Curve:
    """
    :param label: the QLabel to draw into; it is hidden while there is nothing to draw.
    """

    def __init__(self, label):
        self._label = label
        self._points = []
        label.setVisible(False)

    def clear(self):
        """Begin anew."""
        self._points = []
        self._label.setVisible(False)

    def add(self, losses):
        """Add (phase, loss) pairs; each phase is drawn to its own scale, since losses of two phases do not compare."""
        self._points = [*self._points, *(one for one in losses if math.isfinite(one[1]))][-_MOST:]
        if len(self._points) > 1:
            self._draw()

    def _draw(self):
        picture = qt.QPixmap(_WIDTH, _HEIGHT)
        picture.fill(qt.QColor("white"))
        painter = qt.QPainter(picture)
        painter.setPen(qt.QPen(qt.QColor("#1f77b4")))
        step = (_WIDTH - 2 * _MARGIN) / (len(self._points) - 1)
        before = None
        ranges = {phase: self._range(phase) for phase, _loss in self._points}
        for index, (phase, loss) in enumerate(self._points):
            low, high = ranges[phase]
            share = (loss - low) / (high - low) if high > low else 0.5
            place = (phase, int(_MARGIN + index * step), int(_HEIGHT - _MARGIN - share * (_HEIGHT - 2 * _MARGIN)))
            if before is not None and before[0] == phase:
                painter.drawLine(before[1], before[2], place[1], place[2])
            before = place
        painter.end()
        self._label.setPixmap(picture)
        self._label.setVisible(True)

    def _range(self, phase):
        values = [loss for name, loss in self._points if name == phase]
        return min(values), max(values)
