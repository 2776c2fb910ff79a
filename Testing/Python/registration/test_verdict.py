"""The verdict names every reason to refuse a pose."""

from dataclasses import replace

import pytest
import torch

from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry import se3
from SphericalRegLib.initialization import Conditions
from SphericalRegLib.registration import Judge, Limits, Look
from SphericalRegLib.registration.judging.uncertainty import Calibration
from SphericalRegLib.registration.judging.verdict import condition_number, judge
from SphericalRegLib.registration.result import HalfWidths
from SphericalRegLib.similarity import SIMILARITIES, LocalNCC, ToneFreeGradient

CENTER = torch.zeros(3, dtype=torch.float64)
POSE = se3.translation(torch.tensor([0.0, 0.0, 700.0], dtype=torch.float64))
GOOD = torch.diag(torch.tensor([1e4] * 3 + [1.0] * 3, dtype=torch.float64))
BY = Judge(Look(ToneFreeGradient(0.7), 64), Limits(0.06), Calibration(7.5, 7.5, 3.7, 0.3, 0.2, 0.6))
EXACT = HalfWidths(0.2, 0.1, 0.5)


def verdict(**changes):
    given = {
        "pose": POSE,
        "cost": 0.02,
        "overlap": 0.8,
        "curvature": GOOD,
        "rivals": [(POSE, 0.02)],
        "movement_mm": 0.1,
        "strayed": 1.2,
        "leeway": 2.0,
        "center": CENTER,
        "length": 100.0,
        "by": BY,
        "known": EXACT,
        "of_images": changes.get("known", EXACT),
        "needed": Conditions(),
    }
    return judge(**(given | changes))


def test_what_is_known_to_twice_the_tolerance_is_accepted_direction_by_direction():
    inf = float("inf")
    for known, words, count in (
        (HalfWidths(2.0, 2.0, 2.0), "accepted", 0),
        (HalfWidths(0.2, 0.1, 2.1), "accepted in the plane only", 1),
        (HalfWidths(0.2, 0.1, inf), "accepted in the plane only", 1),
        (HalfWidths(2.1, 0.1, 0.5), "rejected", 1),
        (HalfWidths(0.2, 2.1, 2.1), "rejected", 2),
        (HalfWidths(inf, inf, inf), "rejected", 3),
    ):
        said = verdict(known=known)
        assert (said.words, len(said.reasons)) == (words, count)
        assert said.accepted == (words == "accepted")
    assert verdict(known=HalfWidths(0.2, 0.1, 3.9), needed=Conditions(tolerance_mm=2.0)).accepted
    assert not verdict(known=HalfWidths(0.9, 0.1, 0.5), needed=Conditions(tolerance_deg=0.4)).accepted
    (reason,) = verdict(known=HalfWidths(0.2, 0.1, 2.34)).reasons
    assert reason == "Not exact enough: depth is known to ±2.3 mm (95 %), the tolerance is 1 mm."
    assert verdict(known=HalfWidths(0.2, 0.1, inf)).reasons == ("Not known from this view: depth.",)
    (reason,) = verdict(known=HalfWidths(0.2, 0.1, 7.2), of_images=HalfWidths(0.2, 0.1, 0.64)).reasons
    assert "depth is known to ±7.2 mm (95 %)" in reason
    assert "would be ±0.64 mm, were the X-ray's geometry exact" in reason
    (reason,) = verdict(known=HalfWidths(0.2, 0.1, 7.2), of_images=HalfWidths(0.2, 0.1, 5.0)).reasons
    assert "geometry" not in reason


def test_a_wrong_pose_is_not_accepted_in_the_plane_either():
    assert verdict(cost=0.4, known=HalfWidths(0.2, 0.1, 9.0)).words == "rejected"
    assert verdict(known=HalfWidths(0.2, 0.1, 9.0)).refused("Another judge disagrees.").words == "rejected"


def test_tolerances_are_above_nothing():
    for bad in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(InputError, match="tolerance_mm is"):
            Conditions(tolerance_mm=bad)


def elsewhere(mm):
    return se3.translation(torch.tensor([mm, 0.0, 700.0], dtype=torch.float64))


def test_a_good_pose_is_accepted_without_reasons():
    assert verdict().accepted
    assert verdict().reasons == ()
    assert verdict().remarks == ()


def test_each_fault_is_named():
    singular = GOOD.clone()
    singular[5, 5] = 0
    for change, words in (
        ({"cost": 0.4}, "Weak similarity: 40 %"),
        ({"cost": float("nan")}, "Weak similarity"),
        ({"overlap": 0.01}, "No overlap: only 1 %"),
        ({"curvature": singular}, "Ill-conditioned"),
        ({"rivals": [(POSE, 0.02), (elsewhere(30.0), 0.021)]}, "Disagreeing starts: a pose 30 mm away"),
        ({"movement_mm": 2.0}, "Iteration limit"),
        ({"strayed": 11.0}, "Left the search: the pose lies 11.0 times the search range"),
    ):
        refused = verdict(**change)
        assert not refused.accepted
        assert len(refused.reasons) == 1
        assert refused.reasons[0].startswith(words)


def test_only_a_share_of_unexplained_gradients_is_told_as_image_structure():
    assert "40 % of the image structure is unexplained (limit 6 %)" in verdict(cost=0.4).reasons[0]
    shading = Judge(Look(LocalNCC((4.0,)), 192, footprint_mm=3.0), Limits(0.63), BY.calibration)
    (reason,) = verdict(cost=0.9, by=shading).reasons
    assert reason.startswith("Weak similarity: the cost under Local NCC is 0.9 (limit 0.63).")
    for entry in SIMILARITIES.values():
        (reason,) = verdict(cost=0.9, by=replace(BY, look=Look(entry.make(), 64))).reasons
        assert ("image structure" in reason) == (entry.make is ToneFreeGradient)


def test_a_limit_that_nobody_measured_refuses_nothing_and_is_said():
    unmeasured = replace(BY, look=Look(SIMILARITIES["mutual-information"].make(), 64), limits=Limits(None))
    judged = verdict(cost=0.99, by=unmeasured)
    assert judged.accepted
    assert judged.reasons == ()
    assert judged.remarks == (
        "Similarity was not judged: what right poses cost under Mutual information was not measured.",
    )
    # the other reasons stand
    refused = verdict(cost=0.99, by=unmeasured, overlap=0.0)
    assert [reason[:10] for reason in refused.reasons] == ["No overlap"]
    assert len(refused.remarks) == 1


def test_a_learned_similarity_may_lead_farther_than_the_search():
    assert verdict(strayed=8.0, leeway=10.0).accepted
    assert not verdict(strayed=11.0, leeway=10.0).accepted


def test_a_later_doubt_is_one_reason_more():
    doubted = verdict(cost=0.4).refused("The learned similarity disagrees.")
    assert not doubted.accepted
    assert doubted.reasons[1:] == ("The learned similarity disagrees.",)


def test_a_rival_that_is_near_or_fits_worse_is_none():
    assert verdict(rivals=[(POSE, 0.02), (elsewhere(4.0), 0.02)]).accepted
    assert verdict(rivals=[(POSE, 0.02), (elsewhere(50.0), 0.03)]).accepted


def test_several_faults_are_all_told():
    assert len(verdict(cost=0.9, overlap=0.0, movement_mm=2.0).reasons) == 3


def test_the_condition_number_does_not_depend_on_the_unit_of_rotation():
    assert condition_number(GOOD, 100.0) == 1.0
    assert condition_number(torch.zeros(6, 6, dtype=torch.float64), 100.0) == float("inf")


@pytest.mark.parametrize("footprint_mm", [0.0, -1.0, float("inf"), float("nan")])
def test_a_footprint_is_a_length(footprint_mm):
    from SphericalRegLib.errors import InputError

    with pytest.raises(InputError, match="footprint_mm is"):
        Look(ToneFreeGradient(0.7), 64, footprint_mm=footprint_mm)
