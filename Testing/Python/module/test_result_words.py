"""What the section Result says. Translation is the application's: here texts stay as they are."""

import sys
from types import ModuleType

import pytest

CONTENT = {
    "accepted": True,
    "reasons": [],
    "cautions": ["Outside of the model's range."],
    "verdict_cost": 0.008,
    "depth_sd_mm": None,
    "seconds": 10.52,
    "errors": None,
    "landmark_errors_mm": {},
}


@pytest.fixture
def words(monkeypatch):
    untranslated = ModuleType("slicer.i18n")
    untranslated.tr = lambda text: text
    monkeypatch.setitem(sys.modules, "slicer", sys.modules.get("slicer") or ModuleType("slicer"))
    monkeypatch.setitem(sys.modules, "slicer.i18n", untranslated)
    from SphericalRegUI import ResultWords

    return ResultWords


def test_a_caution_is_no_part_of_the_green_verdict(words):
    from SphericalRegUI.Feedback import GOOD_STYLE

    text, style = words.verdict(CONTENT)
    assert text == "Accepted: the projected CT matches the X-ray."
    assert style == GOOD_STYLE
    assert words.cautions(CONTENT) == "Outside of the model's range."


def test_reasons_stand_with_a_rejection(words):
    from SphericalRegUI.Feedback import BAD_STYLE

    text, style = words.verdict(CONTENT | {"accepted": False, "reasons": ["Too little overlap."]})
    assert text == "Rejected: do not rely on this pose.\nToo little overlap."
    assert style == BAD_STYLE


@pytest.mark.parametrize(
    ("accepted", "was"), [(True, "Was accepted; moved since"), (False, "Was rejected; moved since")]
)
def test_a_moved_result_has_a_neutral_verdict(words, accepted, was):
    text, style = words.verdict(CONTENT | {"accepted": accepted}, (1.25, 10.0))
    assert text.startswith(was)
    assert "10.0 mm" in text
    assert style == ""


def test_landmark_errors_are_told_by_the_names_of_the_field(words):
    errors = {"mark_detector_mm": 0.604, "mark_patient_mm": 0.44, "tre_mm": 0.1, "projection_mm": None}
    text = words.figures(CONTENT | {"landmark_errors_mm": errors | {"reprojection_mm": 0.056}})
    assert "Landmarks against the true pose: mTRE 0.10 mm, mPE — mm, mRPE 0.06 mm." in text
    assert "Landmarks against their marks: 0.60 mm on the detector, 0.44 mm at the patient." in text
    assert "_" not in text


def test_what_is_not_known_is_not_told(words):
    text = words.figures(CONTENT)
    assert text == "Cost 0.008; 10.5 s."
    known = {"rotation_deg": 0.31, "plane_mm": 0.2, "depth_mm": None}
    assert words.figures(CONTENT | {"half_widths_95": known}).splitlines() == [
        "Known (95 %): rotation ±0.31°, in the plane ±0.20 mm, depth not known.",
        "Cost 0.008; 10.5 s.",
    ]


def test_a_pose_whose_depth_is_doubtful_is_neither_good_nor_bad(words):
    partly = CONTENT | {"accepted": False, "verdict": "accepted in the plane only", "reasons": ["Not exact enough."]}
    text, style = words.verdict(partly)
    assert text.splitlines() == ["Accepted in the plane only: do not rely on depth.", "Not exact enough."]
    assert style not in (words.GOOD_STYLE, words.BAD_STYLE)
    assert "Was accepted in the plane only" in words.verdict(partly, moved=(1.0, 2.0))[0]
