"""Which check boxes a landscape has. Qt is the application's: boxes of the page stand for it here."""

import sys
from types import ModuleType, SimpleNamespace

import pytest


class Box:
    """As much of a check box as is used."""

    def __init__(self, text, parent=None):
        self.text, self.checked, self.blocked, self.similarity, self.toggled = text, False, False, None, None

    def property(self, name):
        return getattr(self, name)

    def connect(self, signal, function):
        assert signal == "toggled(bool)"
        self.toggled = function

    def blockSignals(self, blocked):  # noqa: N802
        before, self.blocked = self.blocked, blocked
        return before

    def click(self):
        self.checked = not self.checked
        self.toggled(self.checked)


class Page:
    """The widget with the boxes of the .ui file, a grid of two columns."""

    def __init__(self, names):
        self.boxes, self.added = [Box(name) for name in names], []
        for box in self.boxes:
            box.similarity = box.text

    def findChildren(self, kind):  # noqa: N802
        return tuple(self.boxes)

    def layout(self):
        return SimpleNamespace(addWidget=lambda *placed: self.added.append(placed))


@pytest.fixture
def boxes_on(monkeypatch):
    """Makes the boxes of a page, and what was told of them."""
    qt, untranslated = ModuleType("qt"), ModuleType("slicer.i18n")
    untranslated.tr = lambda text: text
    qt.QCheckBox, qt.QWidget = Box, SimpleNamespace(setTabOrder=lambda first, second: None)
    monkeypatch.setitem(sys.modules, "qt", qt)
    monkeypatch.setitem(sys.modules, "slicer", sys.modules.get("slicer") or ModuleType("slicer"))
    monkeypatch.setitem(sys.modules, "slicer.i18n", untranslated)
    from SphericalRegUI.SimilarityBoxes import SimilarityBoxes

    def made(page):
        told = []
        return SimilarityBoxes(page, told.append), told

    return made


# a page that has them too
LATER = ("patch-ncc", "mixed")


def test_what_is_checked_is_told_in_the_pages_order(boxes_on):
    page = Page(["ncc", "gradient-ncc", "local-ncc", "tone-free", "mutual-information", "learned", *LATER])
    boxes, told = boxes_on(page)
    assert page.added == []
    boxes.show(["tone-free", "ncc"])
    assert told == []
    page.boxes[5].click()
    page.boxes[0].click()
    assert told == [["ncc", "tone-free", "learned"], ["tone-free", "learned"]]


def test_a_similarity_of_the_table_that_the_page_lacks_gets_a_box_below(boxes_on):
    page = Page(["ncc", "gradient-ncc", "local-ncc", "mutual-information", "learned", *LATER])
    _boxes, told = boxes_on(page)
    ((box, row, column),) = page.added
    assert (box.text, row, column) == ("Tone-free gradient", 3, 1)
    box.click()
    assert told == [["tone-free"]]
