"""What a header filled in is not inherited by another image; what was typed stays."""

import json
from dataclasses import replace

from SphericalRegLib.app.panel.filling import Filling, fill, taken_back, typed_fields
from SphericalRegLib.app.panel.geometry_fields import ViewFields

EMPTY = ViewFields()
HEADER = ViewFields(
    sdd=1200.0,
    sad=800.0,
    row_spacing=0.8,
    column_spacing=0.7,
    off_center_rows=3.0,
    angles_known=True,
    primary_angle=10.0,
    tone="inverted",
)


def test_a_header_fills_empty_fields():
    filled = fill(EMPTY, None, HEADER, 2)
    assert filled.fields == HEADER
    assert filled.kept == ()
    assert filled.filling.frame == 2
    assert typed_fields(filled.fields, filled.filling) == set()


def test_what_was_filled_is_taken_back_and_what_was_typed_stays():
    filled = fill(EMPTY, None, HEADER, 0)
    typed = replace(filled.fields, sdd=1100.0, secondary_angle=5.0)
    assert taken_back(typed, filled.filling) == ViewFields(sdd=1100.0, secondary_angle=5.0)
    assert taken_back(typed, None) == typed


def test_another_header_replaces_what_was_filled_and_names_what_was_kept():
    first = fill(EMPTY, None, HEADER, 0)
    typed = replace(first.fields, sdd=1100.0)
    second = fill(typed, first.filling, replace(HEADER, sad=600.0, tone="intensity"), 0)
    assert second.kept == ("sdd",)
    assert second.fields == replace(HEADER, sdd=1100.0, sad=600.0, tone="intensity")
    # still the user's
    assert typed_fields(second.fields, second.filling) == {"sdd"}


def test_a_zero_beside_a_number_that_was_typed_is_kept_too():
    typed = ViewFields(primary_angle=30.0, angles_known=True)
    filled = fill(typed, None, replace(HEADER, secondary_angle=12.0), 0)
    assert filled.kept == ("angles",)
    assert (filled.fields.primary_angle, filled.fields.secondary_angle) == (30.0, 0.0)
    assert filled.fields.sdd == 1200.0


def test_a_zero_typed_over_a_filled_number_is_kept():
    first = fill(EMPTY, None, HEADER, 0)
    second = fill(replace(first.fields, off_center_rows=0.0), first.filling, HEADER, 0)
    assert second.kept == ("off_center",)
    assert second.fields.off_center_rows == 0.0


def test_what_the_panel_rounds_is_not_taken_for_typed():
    filled = fill(EMPTY, None, replace(HEADER, sdd=1200.1234, row_spacing=0.123456), 0)
    shown = replace(filled.fields, sdd=1200.12, row_spacing=0.1235)
    assert typed_fields(shown, filled.filling) == set()
    assert typed_fields(replace(shown, row_spacing=0.1236), filled.filling) == {"row_spacing"}


def test_the_button_replaces_what_was_typed_as_well():
    first = fill(EMPTY, None, HEADER, 0)
    second = fill(replace(first.fields, sdd=1100.0), first.filling, HEADER, 0, everything=True)
    assert second.kept == ()
    assert second.fields.sdd == 1200.0


def test_it_is_kept_as_text_under_the_names_that_scenes_have_always_had():
    filling = fill(ViewFields(sdd=1100.0), None, HEADER, 3).filling
    assert Filling.from_text(filling.text()) == filling
    saved = {"frame": 3, "values": {"rowSpacing": 0.8, "offCenterRows": 3.0, "anglesKnown": True, "tone": "inverted"}}
    read = Filling.from_text(json.dumps(saved))
    assert read.frame == 3
    assert read.values == {"row_spacing": 0.8, "off_center_rows": 3.0, "angles_known": True, "tone": "inverted"}
    assert saved["values"].items() <= json.loads(filling.text())["values"].items()
    assert Filling.from_text("") is None
