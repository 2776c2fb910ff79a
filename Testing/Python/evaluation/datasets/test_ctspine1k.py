"""CTSpine1K from a small tree: names with dots, oblique CTs, a split with a name too many, other grids refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from SphericalRegLib.errors import InputError
from SphericalRegLib.evaluation.datasets.ctspine1k import CTSpine1K, vertebra_points
from SphericalRegLib.evaluation.datasets.table import kind_of, open_dataset
from Testing.Python.evaluation.datasets import twins

DOTTED = "1.3.6.1.4.1.9328.50.4.0001"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    twins.write_spine(tmp_path, DOTTED)
    twins.write_spine(tmp_path, "liver_1", oblique=True, group="MSD-T10")
    return tmp_path


def test_cts_are_found_by_their_whole_names(tree: Path) -> None:
    assert kind_of(tree) == "ctspine1k"
    assert set(open_dataset(tree).names) == {DOTTED, "liver_1"}


def test_a_vertebra_has_four_points_in_the_patients_directions(tree: Path) -> None:
    subject = CTSpine1K(str(tree), crop=False).subject(DOTTED)
    assert sorted(subject.points) == sorted(
        f"{vertebra} {kind}" for vertebra in ("T12", "L1") for kind in ("body", "posterior", "left", "right")
    )
    body, back = subject.points["T12 body"], subject.points["T12 posterior"]
    left, right = subject.points["T12 left"], subject.points["T12 right"]
    # right and anterior grow in RAS; voxels 6 and 21 along i, 18 along j, of 1.5 mm, from (3.7, −20) LPS
    assert float(left[0]) == pytest.approx(-(3.7 + 21 * 1.5), abs=1e-3)
    assert float(right[0]) == pytest.approx(-(3.7 + 6 * 1.5), abs=1e-3)
    assert float(back[1]) == pytest.approx(20 - 18 * 1.5, abs=1e-3)
    assert float(body[1]) > float(back[1]) + 5
    # not on one line, nor in one plane with each other's
    centered = torch.stack(list(subject.points.values()))
    assert float(torch.linalg.svdvals(centered - centered.mean(0))[2]) > 1.0


def test_an_oblique_ct_has_them_in_the_patients_directions_too(tree: Path) -> None:
    points = CTSpine1K(str(tree), crop=False).subject("liver_1").points
    assert float(points["L1 left"][0]) == min(float(point[0]) for name, point in points.items() if "L1" in name)
    assert float(points["L1 posterior"][1]) == min(float(point[1]) for name, point in points.items() if "L1" in name)


def test_a_crop_moves_nothing(tree: Path) -> None:
    whole, cut = (CTSpine1K(str(tree), crop=crop).subject(DOTTED) for crop in (False, True))
    for name, point in whole.points.items():
        assert torch.allclose(point, cut.points[name])
    assert cut.ct().labels is not None
    assert np.count_nonzero(cut.ct().labels) == np.count_nonzero(whole.ct().labels)


def test_a_wide_ct_is_cut_to_256_mm_across(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    twins.write_spine(tmp_path, "a")
    monkeypatch.setattr("SphericalRegLib.evaluation.datasets.ctspine1k._WIDEST_MM", 27.0)
    monkeypatch.setattr("SphericalRegLib.evaluation.datasets.ctspine1k._MARGIN_MM", 6.0)
    subject = CTSpine1K(str(tmp_path)).subject("a")
    depth, height, width = subject.ct().hu.shape
    assert (height, width) == (18, 18)
    assert depth <= 20
    # what is left of it still lies where it was
    back = CTSpine1K(str(tmp_path), crop=False).subject("a").points["T12 posterior"]
    assert torch.allclose(vertebra_points(subject.ct())["T12 posterior"], back)


def test_names_of_a_split_that_are_not_there_are_told_and_no_more(tree: Path) -> None:
    split = tree / "data_split.txt"
    split.write_text(f"{DOTTED}.nii.gz\nvolume-covid19-A-0003_ct.nii.gz\n")
    dataset = CTSpine1K(str(tree), str(split))
    assert dataset.names == (DOTTED,)
    assert dataset.notes == [f"1 of 2 that {split} names are missing: volume-covid19-A-0003_ct"]


def test_labels_of_another_grid_are_refused(tmp_path: Path) -> None:
    twins.write_spine(tmp_path, "a", other_grid=True)
    with pytest.raises(InputError, match="has other voxels than the CT"):
        CTSpine1K(str(tmp_path)).subject("a")


def test_a_ct_without_labels_is_left_out_and_named(tree: Path) -> None:
    (tree / "raw_data/labels/MSD-T10/liver_1_seg.nii.gz").unlink()
    dataset = CTSpine1K(str(tree))
    assert dataset.names == (DOTTED,)
    assert "liver_1" in dataset.notes[0]


def test_another_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no CTSpine1K"):
        CTSpine1K(str(tmp_path))
