"""The table of systems, and systems as plain data: to files and back."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import yaml

from SphericalRegLib.cli.reading.system_choice import as_yaml, chosen_system
from SphericalRegLib.errors import InputError
from SphericalRegLib.initialization import FromLandmarks, OppositeSide, Regressed, Search, SearchRange
from SphericalRegLib.optimization.table import OPTIMIZERS
from SphericalRegLib.registration import SYSTEMS, Judge, Limits, Look, Stage, default_system, system_named
from SphericalRegLib.registration.initializers import INITIALIZERS
from SphericalRegLib.registration.looks import looks_by_name, looks_of
from SphericalRegLib.registration.plain import as_plain, from_plain
from SphericalRegLib.registration.trained import Trained
from SphericalRegLib.similarity import SIMILARITIES, LocalNCC

INTENSITY = SYSTEMS["intensity"]


class TestTable:
    def test_names_are_unique_typed_and_titled(self):
        for name, system in SYSTEMS.items():
            assert system.name == name
            assert name == name.lower()
            assert " " not in name
            assert system.title
        assert len({system.title for system in SYSTEMS.values()}) == len(SYSTEMS)

    def test_no_two_rows_are_the_same_method(self):
        methods = [as_plain(replace(system, name="", title="")) for system in SYSTEMS.values()]
        for n, method in enumerate(methods):
            assert method not in methods[:n]

    @pytest.mark.parametrize(
        ("bones", "model", "name"),
        [(False, False, "intensity"), (False, True, "model"), (True, False, "bones"), (True, True, "bones-model")],
    )
    def test_where_nobody_chooses_bones_and_model_decide(self, bones, model, name):
        assert default_system(bones, model) is SYSTEMS[name]

    def test_a_name_that_there_is_not_lists_those_that_there_are(self):
        with pytest.raises(InputError, match=r"no system 'magic': choose from intensity, .*or name a YAML file"):
            system_named("magic")

    def test_which_need_a_model_and_which_its_encoders(self):
        needing = {name for name, system in SYSTEMS.items() if system.needs_model}
        encoders = {name for name, system in SYSTEMS.items() if system.needs_encoders}
        assert {"model", "bones-model", "regressor-only", "paper-so4", "learned-first"} <= needing
        assert not needing & {"intensity", "bones", "near", "landmarks", "search", "start-only", "one-start"}
        assert encoders < needing
        assert {"learned-first", "learned-similarity", "paper-se3", "search-learned-first"} <= encoders
        assert "model" not in encoders

    def test_a_limit_stands_only_where_somebody_measured_it(self):
        for system in SYSTEMS.values():
            assert system.judge.limits.cost is not None
            assert system.judge.limits.measured


class TestChanges:
    def test_none_changes_nothing(self):
        for system in SYSTEMS.values():
            assert system.searching() is system
            assert system.comparing_within(None) is system
            assert system.ending_with() is system

    @pytest.mark.parametrize("name", SYSTEMS)
    def test_reach_and_candidates_reach_every_initializer(self, name):
        changed = SYSTEMS[name].searching(SearchRange(1, 2, 3), 5).initializer
        told = as_plain(replace(SYSTEMS[name], initializer=changed))["initializer"]
        text = json.dumps(told)
        assert '{"rotation_deg": 1, "in_plane_mm": 2, "depth_mm": 3}' in text
        assert '"candidates": 5' in text
        with pytest.raises(InputError, match="candidates is 0"):
            SYSTEMS[name].searching(candidates=0)

    def test_a_second_try_replaces_what_comes_before_the_gate(self):
        names = [stage.name for stage in INTENSITY.stages]
        assert INTENSITY.stages_of(0) == INTENSITY.stages
        again = INTENSITY.stages_of(1)
        gated = names.index("depth")
        assert again == (*INTENSITY.again, *INTENSITY.stages[gated:])
        assert INTENSITY.stages[gated].gate < float("inf")
        assert replace(INTENSITY, again=()).stages_of(1) == INTENSITY.stages, "the same once more"
        alone = replace(INTENSITY, stages=INTENSITY.stages[-1:])
        assert alone.stages_of(1) == alone.stages, "nothing sends back without a gate"

    def test_a_footprint_reaches_every_look_but_the_models(self):
        system = SYSTEMS["learned-first"].comparing_within(4.0)
        assert [stage.look.footprint_mm for stage in system.stages] == [None, 4.0, 4.0, 4.0]
        assert system.judge.look.footprint_mm == 4.0
        assert system.judge.neighbors is not None
        assert system.judge.neighbors.footprint_mm == 4.0

    def test_only_the_last_stage_ends_otherwise_and_the_judge_stays(self):
        changed = INTENSITY.ending_with("mutual-information", "bobyqa", 96, 7)
        assert changed.stages[:-1] == INTENSITY.stages[:-1]
        assert changed.judge == INTENSITY.judge
        last = changed.stages[-1]
        assert (type(last.look.similarity).__name__, last.look.size) == ("MutualInformation", 96)
        assert last.optimizer.evaluations == 7

    @pytest.mark.parametrize(
        ("name", "change", "words"),
        [
            ("intensity", {"similarity": "SSIM"}, "no similarity 'SSIM'"),
            ("intensity", {"optimizer": "Newton"}, "no optimizer 'Newton'"),
            ("intensity", {"iterations": 0}, "iterations is 0"),
            ("intensity", {"size": 4}, "size is 4 pixels"),
            ("start-only", {"similarity": "ncc"}, "'start-only' has no stage"),
        ],
    )
    def test_impossible_ends_are_errors(self, name, change, words):
        with pytest.raises(InputError, match=words):
            SYSTEMS[name].ending_with(**change)

    @pytest.mark.parametrize(
        ("make", "words"),
        [
            (lambda: replace(INTENSITY.stages[0], keep=0), "'search' has keep=0"),
            (lambda: replace(INTENSITY.stages[0], prune=0.5), r"prune=0\.5"),
            (lambda: replace(INTENSITY.stages[0], prune=float("nan")), "prune=nan"),
            (lambda: replace(INTENSITY, retries=-1), "'intensity' has retries=-1"),
            (lambda: Look(LocalNCC(), 64, voxel=0.0), r"voxel is 0\.0"),
            (lambda: Look(LocalNCC(), 64, robust_scale=float("nan")), "robust_scale is nan"),
            (lambda: Look(LocalNCC(), 0), "size is 0 pixels"),
        ],
    )
    def test_parts_that_could_not_run_are_refused_when_they_are_made(self, make, words):
        with pytest.raises(InputError, match=words):
            make()


class TestPlainData:
    @pytest.mark.parametrize("name", SYSTEMS)
    def test_every_row_comes_back_from_json_and_from_yaml(self, name, tmp_path):
        system = SYSTEMS[name]
        plain = as_plain(system)
        assert from_plain(json.loads(json.dumps(plain, allow_nan=False))) == system
        path = tmp_path / "mine.yaml"
        path.write_text(as_yaml(system), encoding="utf-8")
        assert chosen_system(str(path)) == system
        assert yaml.safe_load(path.read_text(encoding="utf-8")) == plain

    @pytest.mark.parametrize("name", INITIALIZERS)
    def test_every_initializer_comes_back(self, name):
        more = {"by": as_plain(INTENSITY)} if name == "whole-first" else {}
        content = as_plain(INTENSITY) | {"initializer": {"kind": name, **more}}
        system = from_plain(content)
        assert type(system.initializer) is INITIALIZERS[name].make
        assert from_plain(as_plain(system)) == system

    def test_every_similarity_and_optimizer_comes_back(self):
        looks = [Look(entry.make(), 64) for entry in SIMILARITIES.values()] + [Look(Trained(("gradient so4",)), 0)]
        optimizers = [entry.to_refine() for entry in OPTIMIZERS.values()]
        stages = [Stage(f"a{n}", look, optimizers[n % len(optimizers)]) for n, look in enumerate(looks)]
        stages += [Stage(f"b{n}", looks[0], optimizer) for n, optimizer in enumerate(optimizers)]
        deep = OppositeSide(Search(of=Regressed(otherwise=FromLandmarks())))
        system = replace(
            INTENSITY,
            stages=tuple(stages),
            judge=Judge(looks[1], Limits(None), INTENSITY.judge.calibration),
            initializer=deep,
        )
        assert from_plain(as_plain(system)) == system

    def test_what_is_left_out_keeps_its_default_and_a_kind_alone_may_stand_as_a_word(self):
        system = from_plain(
            {
                "name": "mine",
                "title": "of my own",
                "judge": {"look": {"similarity": "tone-free", "size": 64}, "limits": {"cost": None}},
                "initializer": "landmarks",
            }
        )
        assert system.initializer == FromLandmarks()
        assert system.stages == ()
        assert system.retries == 2
        assert system.judge.look.similarity == SIMILARITIES["tone-free"].make()

    def test_a_part_that_is_in_no_table_has_no_file(self):
        class Own:
            def fix(self, xray, mask):
                raise NotImplementedError

        mine = replace(INTENSITY, judge=replace(INTENSITY.judge, look=Look(Own(), 64)))
        with pytest.raises(InputError, match="Own is in none of the tables"):
            as_plain(mine)


def changed(path, value):
    """The plain default system with one part replaced; the path's numbers are indices."""
    content = json.loads(json.dumps(as_plain(INTENSITY)))
    at = content
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    return content


SIMILARITY = ("stages", 0, "look", "similarity")
BAD = {
    "no system": ([1, 2], r"F must have named parts, and is \[1, 2\]"),
    "nothing": (None, r"F must have named parts, and is None"),
    "a number": (7, r"F must have named parts, and is 7"),
    "empty": ({}, r"F lacks name, title, judge"),
    "an unknown part": (changed(("colour",), 1), r"F has no colour: its parts are name, title"),
    "a part that is no text": ({**as_plain(INTENSITY), 3: 4}, r"F has no 3"),
    "an unknown part inside": (changed(("judge", "look", "colour"), 1), r"F, judge, look has no colour"),
    "an unknown kind": (changed(SIMILARITY, {"kind": "ssim"}), r"F, stages 1, look, similarity is of the kind 'ssim'"),
    "a kind that is a list": (changed(SIMILARITY, {"kind": ["ncc"]}), r"similarity is of the kind \['ncc'\]"),
    "a kind that is a mapping": (changed(SIMILARITY, {"kind": {"ncc": 1}}), r"similarity is of the kind \{'ncc': 1\}"),
    "no kind": (changed(SIMILARITY, {"sigma": 1.0}), r"similarity must name one of tone-free, .*learned"),
    "a list for a kind": (changed(SIMILARITY, ["ncc"]), r"similarity must name one of"),
    "another table's kind": (changed(SIMILARITY, "adam"), r"of the kind 'adam', which there is not"),
    "the wrong kind": (
        changed(("initializer", "given"), {"kind": "search"}),
        r"initializer \(known\), given is of the kind 'search', which there is not: choose from given",
    ),
    "an unknown argument": (
        changed(SIMILARITY, {"kind": "ncc", "sigma": 1.0}),
        r"similarity \(ncc\) has no sigma",
    ),
    "a text for a number": (changed(("judge", "limits", "cost"), "low"), r"limits, cost must be a finite number"),
    "true for a number": (changed(("judge", "limits", "cost"), True), r"must be a finite number, and is True"),
    "a fraction for a count": (changed(("stages", 1, "keep"), 1.5), r"F, stages 2, keep must be a whole number"),
    "true for a count": (changed(("retries",), True), r"retries must be a whole number, and is True"),
    "a number for a text": (changed(("name",), 7), r"F, name must be a text, and is 7"),
    "a number for yes or no": (changed(("judge", "opinion"), 1), r"opinion must be true or false"),
    "NaN": (changed(("judge", "limits", "overlap"), float("nan")), r"overlap must be a finite number, and is nan"),
    "infinity": (changed(("judge", "limits", "overlap"), float("inf")), r"overlap must be a finite number"),
    "beyond all floats": (changed(("judge", "limits", "overlap"), 10**400), r"overlap must be a finite number"),
    "None where something must be": (changed(("judge", "limits", "overlap"), None), r"overlap must be a finite"),
    "no list of stages": (changed(("stages",), {"a": 1}), r"F, stages must be a list"),
    "a stage that is none": (changed(("stages", 2), "refine"), r"F, stages 3 must have named parts"),
    "junk far inside": (
        changed(("stages", 3, "optimizer", "longest_step"), [[{}]]),
        r"stages 4, optimizer \(levenberg-marquardt\), longest_step must be a finite number, and is \[\[\{\}\]\]",
    ),
    "what its own part refuses": (changed(("stages", 0, "look", "size"), 2), r"F, stages 1, look: .*size is 2 pixels"),
    "no candidate": (changed(("initializer", "given", "candidates"), 0), r"given.*candidates is 0"),
    "nobody goes on": (changed(("stages", 0, "keep"), 0), r"stages 1: .*keep=0"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_system_is_refused_with_the_place(name):
    content, message = BAD[name]
    with pytest.raises(InputError, match=message) as error:
        from_plain(content, "F")
    assert len(str(error.value)) < 600


def test_nesting_without_end_is_an_error():
    inner: object = "known"
    for _ in range(3000):
        inner = {"kind": "search", "of": inner}
    with pytest.raises(InputError, match="F is nested too deeply"):
        from_plain(as_plain(INTENSITY) | {"initializer": inner}, "F")


class TestLooks:
    def test_a_similarity_by_name_is_looked_at_as_the_default_system_does(self):
        looks = looks_by_name(["tone-free", "gradient-ncc", "ncc", "gradient NCC"], 96)
        assert looks["tone-free"].similarity == INTENSITY.stages[-1].look.similarity
        assert looks["gradient-ncc"].similarity == INTENSITY.survey.looks[1].similarity
        assert looks["gradient NCC"] == looks["gradient-ncc"]
        assert {look.size for look in looks.values()} == {96}
        assert {look.footprint_mm for look in looks.values()} == {None}
        assert {look.footprint_mm for look in looks_by_name(["ncc", "local-ncc"], bones=True).values()} == {3.0}

    def test_every_stage_of_a_system_has_its_look(self):
        looks = looks_of(INTENSITY)
        assert list(looks.values()) == [stage.look for stage in INTENSITY.stages]
        assert next(iter(looks)) == "search 48: Local NCC"
        with pytest.raises(InputError, match="'start-only' has no stage to look at"):
            looks_of(SYSTEMS["start-only"])
