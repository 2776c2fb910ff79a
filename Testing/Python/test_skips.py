"""The line that says what a run left out."""

from Testing.Python.skips import left_out


def test_each_reason_stands_once_with_its_number_the_commonest_first():
    assert left_out(["Skipped: no data", "Skipped: no Slicer", "Skipped: no Slicer"]) == (
        "left out: 2 x no Slicer; 1 x no data"
    )
