"""Ljubljana's angiograms from a twin of their file; a sign lost from the detector's offset is noticed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from SphericalRegLib.errors import InputError
from SphericalRegLib.evaluation.datasets.ljubljana import Ljubljana
from SphericalRegLib.evaluation.datasets.table import kind_of
from SphericalRegLib.rendering import render
from Testing.Python.evaluation.datasets import twins

pytest.importorskip("h5py")


def test_poses_points_and_vessels_are_those_that_were_written(tmp_path: Path) -> None:
    path = tmp_path / "ljubljana.h5"
    truths = twins.write_ljubljana(path)
    assert kind_of(path) == "ljubljana"
    subject = Ljubljana(str(path)).subject("subject01")
    hu, matrix = twins.phantom()
    ct = subject.ct()
    assert np.allclose(ct.world_from_voxel, matrix)
    # (x, y, z) in the file, (z, y, x) here
    assert np.array_equal(ct.hu > 0, hu > 500)
    assert torch.allclose(subject.targets, torch.stack(list(twins.landmarks(matrix).values())))
    for frame, truth in zip(subject.frames, truths, strict=True):
        assert torch.allclose(frame.pose, truth.pose, atol=1e-9)
        image = torch.from_numpy(frame.xray().image)
        drr = render(subject.volume(ct), frame.view, frame.pose[None], samples=twins.SAMPLES)[0, 0]
        assert float(torch.corrcoef(torch.stack([drr.flatten(), image.flatten()]))[0, 1]) > 0.999


def test_an_offset_whose_sign_was_lost_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ljubljana.h5"
    twins.write_ljubljana(path)
    import h5py

    with h5py.File(path, "a") as file:
        k = file["subject01/proj-ap-max/intrinsic"][()]
        k[0, 2] = twins.COLUMNS - 1 - k[0, 2]
        twins.change(file, {"subject01/proj-ap-max/intrinsic": k})
    with pytest.raises(InputError, match="a sign was lost on the way"):
        Ljubljana(str(path)).subject("subject01")


def test_a_matrix_from_the_camera_to_the_world_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ljubljana.h5"
    truths = twins.write_ljubljana(path)
    _, extrinsic = twins.file_camera(truths[0].view, truths[0].pose)
    twins.write_ljubljana(path, **{"subject01/proj-ap-max/extrinsic": np.linalg.inv(extrinsic)})
    with pytest.raises(InputError, match="project onto the image"):
        Ljubljana(str(path)).subject("subject01")


@pytest.mark.parametrize(
    ("place", "value", "match"),
    [
        ("subject01/points", None, "no data 'subject01/points'"),
        ("subject01/points", np.zeros((4, 2)), r"expected \(N, 3\)"),
        ("subject01/proj-lat-max/intrinsic", np.full((3, 3), np.nan), "not finite"),
        ("subject01/volume/pixels", np.zeros((24, 24, 24), np.float32), "no contrast agent"),
    ],
)
def test_what_is_missing_or_impossible_is_named(tmp_path: Path, place: str, value: object, match: str) -> None:
    path = tmp_path / "ljubljana.h5"
    twins.write_ljubljana(path, **{place: value})
    with pytest.raises(InputError, match=match):
        Ljubljana(str(path)).subject("subject01")
