"""The verdict names every reason to refuse a pose."""

import torch
from SphericalRegLib.registration.settings import Thresholds

from SphericalRegLib.geometry import se3
from SphericalRegLib.registration.verdict import condition_number, judge

CENTER = torch.zeros(3, dtype=torch.float64)
POSE = se3.translation(torch.tensor([0.0, 0.0, 700.0], dtype=torch.float64))
GOOD = torch.diag(torch.tensor([1e4] * 3 + [1.0] * 3, dtype=torch.float64))


def verdict(**changes):
    given = {
        "pose": POSE,
        "cost": 0.02,
        "overlap": 0.8,
        "curvature": GOOD,
        "rivals": [(POSE, 0.02)],
        "movement_mm": 0.1,
        "strayed": 1.2,
        "center": CENTER,
        "length": 100.0,
        "limits": Thresholds(),
    }
    return judge(**(given | changes))


def elsewhere(mm):
    return se3.translation(torch.tensor([mm, 0.0, 700.0], dtype=torch.float64))


def test_a_good_pose_is_accepted_without_reasons():
    assert verdict().accepted
    assert verdict().reasons == ()


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


def test_a_rival_that_is_near_or_fits_worse_is_none():
    assert verdict(rivals=[(POSE, 0.02), (elsewhere(4.0), 0.02)]).accepted
    assert verdict(rivals=[(POSE, 0.02), (elsewhere(50.0), 0.03)]).accepted


def test_several_faults_are_all_told():
    assert len(verdict(cost=0.9, overlap=0.0, movement_mm=2.0).reasons) == 3


def test_the_condition_number_does_not_depend_on_the_unit_of_rotation():
    assert condition_number(GOOD, 100.0) == 1.0
    assert condition_number(torch.zeros(6, 6, dtype=torch.float64), 100.0) == float("inf")
