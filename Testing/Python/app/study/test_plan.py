"""Plans, rows and recipes: what is shipped can be run, and what cannot be is told before anything is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from SphericalRegLib.app.study.plan import plan_from, read_plan, shipped_plans
from SphericalRegLib.app.study.recipes import RECIPES, Budget, plan_of
from SphericalRegLib.app.study.rows import MISSING, ROWS
from SphericalRegLib.errors import InputError
from SphericalRegLib.registration import SYSTEMS

SAMPLE = {"ct": "sample:pelvis_lumbar_3mm.nii.gz"}
TABLE = {"title": "T", "kind": "specific", "test": "a", "suite": "blind", "cases": 2, "rows": ["posenet"]}


def made(**changes: Any) -> Any:
    content = {"data": {"a": SAMPLE, "b": SAMPLE}, "tables": [TABLE]} | changes
    return plan_from(content, "plan.yaml", "plan", Path())


class TestRows:
    def test_every_row_is_a_system_of_the_table_with_its_small_print(self) -> None:
        for name, row in ROWS.items():
            assert row.name == name
            assert row.system in SYSTEMS
            assert row.notes
            assert all(not note.endswith(".") for note in row.notes)

    def test_a_row_is_trained_exactly_where_its_system_needs_a_model(self) -> None:
        for row in ROWS.values():
            assert bool(row.recipe) == SYSTEMS[row.system].needs_model
            assert not row.recipe or row.recipe in RECIPES

    def test_every_recipe_is_some_rows(self) -> None:
        assert {row.recipe for row in ROWS.values() if row.recipe} == set(RECIPES)

    def test_what_is_not_there_is_told(self) -> None:
        assert "PSSS-reg" in MISSING["specific"][0]
        assert "SOPI's initializer" in MISSING["agnostic"][0]


class TestRecipes:
    @pytest.mark.parametrize("recipe", RECIPES)
    def test_a_plan_has_the_budgets_sizes_and_the_seed(self, recipe: str) -> None:
        plan = plan_of(recipe, Budget(steps=7, pixels=96, network_pixels=64), 3)
        phases = [one for one in (plan.regressor, plan.dense, plan.encoders) if one is not None]
        assert phases
        assert all(one.steps == 7 and one.seed == 3 for one in phases)
        assert plan.regressor is None or plan.pixels == 96
        assert plan.encoders is None or plan.encoder_pixels == 64

    def test_budgets_that_are_none_are_refused(self) -> None:
        with pytest.raises(InputError, match="0 minutes and 0 steps"):
            Budget(steps=0)


class TestPlans:
    def test_three_are_shipped(self) -> None:
        assert shipped_plans() == ["paper", "smoke", "two-cores"]

    def test_the_smoke_plan_needs_no_data_of_others(self) -> None:
        plan = read_plan("smoke")
        assert [table.kind for table in plan.tables] == ["specific", "agnostic"]

    def test_the_others_have_every_row_and_say_which_ct_is_missing(self, tmp_path: Path) -> None:
        for name, ct in (("two-cores", "pelvis_lumbar_3mm.nii.gz"), ("paper", "first.nii.gz")):
            with pytest.raises(InputError, match=f"there is no CT .*{ct}. Name the folder"):
                read_plan(name, str(tmp_path))
            for stem in ("pelvis_lumbar_3mm", "ilium_sts018", "hip_sts040", "hip_sts044", "thorax_spine_1p5mm",
                         "first", "second", "third"):  # fmt: skip
                (tmp_path / f"{stem}.nii.gz").touch()
            plan = read_plan(name, str(tmp_path))
            assert {row.name for table in plan.tables for row in table.rows} == set(ROWS)
            for file in tmp_path.iterdir():
                file.unlink()

    def test_a_plan_that_there_is_not_lists_those_that_there_are(self) -> None:
        with pytest.raises(InputError, match="no plan 'magic': name a file, or one of paper, smoke, two-cores"):
            read_plan("magic")

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"tables": []}, "tables must be a list"),
            ({"seeds": [-1]}, "seeds is"),
            ({"budget": {"minutes": "long"}}, "minutes is 'long'"),
            ({"budget": {"hours": 1}}, "budget has no hours: its parts are"),
            ({"colour": 1}, "plan.yaml has no colour"),
            ({"data": {"a": {"ct": "nowhere.nii.gz"}}}, "there is no CT nowhere.nii.gz"),
            ({"data": [1]}, "data must have named parts"),
            ({"case_seed": -1}, "case_seed is -1"),
        ],
    )
    def test_what_cannot_be_is_told_with_its_place(self, changes: dict, words: str) -> None:
        with pytest.raises(InputError, match=words):
            made(**changes)

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"kind": "both"}, "kind is 'both'"),
            ({"test": "c"}, "there is no data 'c': it has a, b"),
            ({"rows": ["bobyqa"]}, "no specific row 'bobyqa'"),
            ({"rows": ["posenet", "posenet"]}, "each once"),
            ({"cases": 0}, "cases is 0"),
            ({"suite": "magic"}, "no suite 'magic'"),
            ({"views": "some"}, "views is 'some'"),
            ({"train": ["b"]}, "one patient's networks learn from that patient"),
            ({"kind": "agnostic", "train": ["a"], "rows": ["bobyqa"]}, "would learn from 'a', the test itself"),
        ],
    )
    def test_tables_that_cannot_be(self, changes: dict, words: str) -> None:
        with pytest.raises(InputError, match=words):
            made(tables=[TABLE | changes])
