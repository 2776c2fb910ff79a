"""A true pose or a model that was made for something else is noticed."""

import pytest

from SphericalRegLib.app.panel.made_for import MadeFor


@pytest.fixture
def truth():
    made = MadeFor()
    assert not made.lost("truth", ["ct", "xray"])
    return made


def test_it_stays_with_what_it_was_made_for(truth):
    assert not truth.lost("truth", ["ct", "xray"])


@pytest.mark.parametrize("owners", [["other", "xray"], ["ct", "other"]])
def test_another_owner_loses_it_once(truth, owners):
    assert truth.lost("truth", owners)
    assert not truth.lost(None, owners)


def test_an_owner_that_goes_and_comes_back_keeps_it_and_another_one_does_not(truth):
    assert not truth.lost("truth", ["ct", None])
    assert not truth.lost("truth", ["ct", "xray"])
    assert not truth.lost("truth", [None, "xray"])
    assert truth.lost("truth", ["other", "xray"])


def test_one_that_is_chosen_with_others_belongs_to_them(truth):
    assert not truth.lost("new truth", ["other", "another"])
    assert truth.lost("new truth", ["ct", "another"])


def test_owners_that_are_chosen_later_are_owners(truth):
    made = MadeFor()
    assert not made.lost("truth", [None, None])
    assert not made.lost("truth", ["ct", None])
    assert made.lost("truth", ["other", None])


def test_another_scene_begins_anew(truth):
    truth.forget()
    assert not truth.lost("truth", ["other", "another"])
