"""One check box for each similarity that a landscape can compare."""

import qt
from slicer.i18n import tr as _

from SphericalRegLib.similarity.table import SIMILARITIES

# Boxes in a row of the page.
_COLUMNS = 2


class SimilarityBoxes:
    """
    :param widget: holds the check boxes of the page, each with the property ``similarity``; what else the library's
        table has gets one below them.
    :param onChanged: called with the names of those that are checked now, in the order of the page.
    """

    def __init__(self, widget, onChanged):
        self._onChanged = onChanged
        self._boxes = {box.property("similarity"): box for box in widget.findChildren(qt.QCheckBox)}
        for name, entry in SIMILARITIES.items():
            if name not in self._boxes:
                self._boxes[name] = self._added(widget, entry.title)
        for box in self._boxes.values():
            box.connect("toggled(bool)", lambda checked: self._toggled())

    def show(self, names):
        """Check those of these names, and no others."""
        for name, box in self._boxes.items():
            blocked = box.blockSignals(True)
            box.checked = name in names
            box.blockSignals(blocked)

    def _added(self, widget, title):
        box, last = qt.QCheckBox(_(title), widget), list(self._boxes.values())[-1]
        count = len(self._boxes)
        widget.layout().addWidget(box, count // _COLUMNS, count % _COLUMNS)
        qt.QWidget.setTabOrder(last, box)
        return box

    def _toggled(self):
        self._onChanged([name for name, box in self._boxes.items() if box.checked])
