"""The table of what bends depth: each X-ray has one cause and no other, and errors are signed along the beam."""

from __future__ import annotations

import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from SphericalRegLib.evaluation.cases import capture_view
from SphericalRegLib.io.ct import read_ct
from SphericalRegLib.registration import SYSTEMS
from SphericalRegLib.sample import sample_path
from SphericalRegLib.simulation.degrade import Degradations
from SphericalRegLib.simulation.levels import CLINICAL

sys.path.insert(0, str(Path(__file__).parents[1] / "Benchmarks"))

import depth_causes


@pytest.fixture(scope="module")
def a_ct():
    return read_ct(sample_path("pelvis_lumbar_3mm.nii.gz"))


def test_every_part_of_a_clinical_x_ray_is_a_cause(a_ct):
    drawn = CLINICAL.draw(np.random.default_rng(5), capture_view(), a_ct, True)
    clean = Degradations(log_output=True)
    changed = {field.name for field in fields(drawn) if getattr(drawn, field.name) != getattr(clean, field.name)}
    named = {name for names in depth_causes.CAUSES.values() for name in names}
    assert changed - named <= {"kvp"}
    scattered = depth_causes.alone(drawn, depth_causes.CAUSES["scatter"])
    assert scattered.scatter == drawn.scatter
    assert scattered.beam is None
    assert scattered.soft_tissue is None


def test_the_two_columns_differ_in_bones_weights_alone():
    bone, everything = depth_causes.from_the_truth(True), depth_causes.from_the_truth(False)
    assert bone.stages == SYSTEMS["intensity"].stages[-1:]
    assert everything.stages[0].look.bone_hu is None
    assert everything.judge == bone.judge


def test_a_clean_x_ray_bends_nothing(a_ct, monkeypatch):
    monkeypatch.setattr(depth_causes, "CAUSES", {"none of them": ()})
    lines: list[str] = []
    figures = depth_causes.study(a_ct, 2, 3, lines.append)
    assert figures["none of them"]["bone"]["absolute"] < 0.5
    assert list(figures) == ["none of them", "all"]
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| none of them", "| all"]
