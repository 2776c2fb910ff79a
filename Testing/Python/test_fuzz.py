"""Some hundred mutated files of every kind are read or refused; thousands on demand, see Testing/Fuzz/README.md."""

from pathlib import Path

import pytest

from SphericalRegLib.errors import InputError
from Testing.Fuzz.pool import make_case, run
from Testing.Fuzz.readers import READERS
from Testing.Fuzz.seeds import make_seeds
from Testing.Fuzz.worker import _tried


@pytest.fixture(scope="module")
def seeds(tmp_path_factory):
    return make_seeds(tmp_path_factory.mktemp("seeds"))


def test_the_valid_files_are_read(seeds):
    for seed in seeds:
        if seed.path.name != "points.fcsv":  # of an older Slicer: read by its own test
            READERS[seed.kind](seed.path, seeds[0].path.parent)


def test_every_kind_of_file_has_a_seed(seeds):
    assert {seed.kind for seed in seeds} == set(READERS)


def test_a_case_is_the_same_file_each_time(seeds, tmp_path):
    contents = [seed.path.read_bytes() for seed in seeds]
    for number in range(40):
        _, first = make_case(number, 7, seeds, contents, tmp_path / f"a{number}")
        _, second = make_case(number, 7, seeds, contents, tmp_path / f"b{number}")
        assert first.read_bytes() == second.read_bytes()


def test_mutated_files_are_read_or_refused(seeds, tmp_path):
    outcomes = list(run(range(300), 20261126, seeds, tmp_path, seconds=30.0, processes=1))
    assert [outcome for outcome in outcomes if not outcome.right] == []
    # a mutator that breaks everything, or nothing, would try nothing
    refused = sum(outcome.outcome == "refused" for outcome in outcomes)
    assert 0.3 * len(outcomes) < refused < 0.95 * len(outcomes)


@pytest.mark.parametrize(
    ("raised", "outcome"),
    [(InputError("no"), "refused"), (ValueError("no"), "traceback"), (MemoryError(), "memory"), (None, "read")],
)
def test_what_goes_wrong_is_told(raised, outcome, tmp_path):
    def reader(path: Path, seeds: Path) -> None:
        if raised is not None:
            raise raised

    case = {"kind": "ct", "path": "a", "seeds": "b"}
    with (tmp_path / "printed").open("w+b") as printed:
        printed.write(b"a warning")
        told = _tried(reader, case, printed)
    assert (told["outcome"], told["printed"]) == (outcome, "a warning")
