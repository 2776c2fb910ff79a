"""What a header filled in is not inherited by another image; what was typed stays."""

from enum import Enum
from types import SimpleNamespace

import pytest

from Testing.Python.module.parameters import fields_of, stand_in


class Tone(Enum):
    ATTENUATION = "attenuation"
    INVERTED = "inverted"
    INTENSITY = "intensity"


def geometry(**values):
    made = stand_in("ViewGeometry")
    made.tone = Tone.ATTENUATION
    return SimpleNamespace(**{**vars(made), **values})


def header(**values):
    given = {"sdd": 1200.0, "sad": 800.0, "rowSpacing": 0.8, "columnSpacing": 0.7, "offCenterRows": 3.0}
    return geometry(**{**given, "anglesKnown": True, "primaryAngle": 10.0, "tone": "inverted", **values})


@pytest.fixture
def filling():
    from SphericalRegUI import Filling

    return Filling


def test_the_fields_and_their_empty_values_are_those_of_the_geometry(filling):
    empty = geometry()
    filled = header()
    filled.tone, filled.filled = Tone.INTENSITY, "anything"
    filling.clear(filled)
    assert vars(filled) == vars(empty)
    named = {name for group in filling.GROUPS.values() for name in group}
    assert named == set(fields_of("ViewGeometry")) - {"filled"}


def test_a_header_fills_empty_fields(filling):
    view = geometry()
    assert filling.fill(view, header(), 2) == []
    assert (view.sdd, view.columnSpacing, view.tone, view.anglesKnown) == (1200.0, 0.7, Tone.INVERTED, True)
    assert filling.frameFilledFrom(view) == 2
    assert filling.typedFields(view) == set()


def test_what_was_filled_is_taken_back_and_what_was_typed_stays(filling):
    view = geometry()
    filling.fill(view, header(), 0)
    view.sdd, view.secondaryAngle = 1100.0, 5.0
    assert filling.takeBack(view)
    assert (view.sdd, view.secondaryAngle) == (1100.0, 5.0)
    assert (view.sad, view.rowSpacing, view.primaryAngle, view.anglesKnown) == (0.0, 0.0, 0.0, False)
    assert view.tone is Tone.ATTENUATION
    assert filling.frameFilledFrom(view) is None
    assert not filling.takeBack(view)


def test_another_header_replaces_what_was_filled_and_names_what_was_kept(filling):
    view = geometry()
    filling.fill(view, header(), 0)
    view.sdd = 1100.0
    assert filling.fill(view, header(sad=600.0, tone="intensity"), 0) == ["sdd"]
    assert (view.sdd, view.sad, view.tone) == (1100.0, 600.0, Tone.INTENSITY)
    # still the user's
    assert filling.typedFields(view) == {"sdd"}


def test_a_zero_beside_a_number_that_was_typed_is_kept_too(filling):
    view = geometry(primaryAngle=30.0, anglesKnown=True)
    assert filling.fill(view, header(secondaryAngle=12.0), 0) == ["angles"]
    assert (view.primaryAngle, view.secondaryAngle) == (30.0, 0.0)
    assert view.sdd == 1200.0


def test_a_zero_typed_over_a_filled_number_is_kept(filling):
    view = geometry()
    filling.fill(view, header(), 0)
    view.offCenterRows = 0.0
    assert filling.fill(view, header(), 0) == ["offCenter"]
    assert view.offCenterRows == 0.0


def test_what_the_panel_rounds_is_not_taken_for_typed(filling):
    view = geometry()
    filling.fill(view, header(sdd=1200.1234, rowSpacing=0.123456), 0)
    view.sdd, view.rowSpacing = 1200.12, 0.1235
    assert filling.typedFields(view) == set()
    view.rowSpacing = 0.1236
    assert filling.typedFields(view) == {"rowSpacing"}


def test_the_button_replaces_what_was_typed_as_well(filling):
    view = geometry()
    filling.fill(view, header(), 0)
    view.sdd = 1100.0
    assert filling.fill(view, header(), 0, everything=True) == []
    assert view.sdd == 1200.0
