"""Transforms are read whatever their files do to ITK's readers."""

import numpy as np
import pytest
import SimpleITK

from SphericalRegLib.errors import InputError
from SphericalRegLib.io.images import isolated_itk
from SphericalRegLib.io.images.isolated_itk import read_itk_transform
from SphericalRegLib.io.pose_file import read_pose


@pytest.fixture
def transform():
    affine = SimpleITK.AffineTransform(3)
    euler = SimpleITK.Euler3DTransform((10.0, 20.0, 30.0), 0.3, -0.2, 0.5, (1.0, 2.0, 3.0))
    affine.SetMatrix(euler.GetMatrix())
    affine.SetTranslation((5.123456789012345, -6.0, 700.0))
    affine.SetCenter((10.0, 20.0, 30.0))
    return affine


@pytest.mark.parametrize("name", ["pose.tfm", "pose.h5", "pose.mat"])
def test_a_transform_comes_back_to_the_last_digit(name, transform, tmp_path):
    path = tmp_path / name
    SimpleITK.WriteTransform(transform, str(path))
    read = read_itk_transform(path)
    assert (read.GetParameters(), read.GetFixedParameters()) == (
        transform.GetParameters(),
        transform.GetFixedParameters(),
    )
    assert np.isfinite(read_pose(path)).all()


@pytest.mark.parametrize("name", ["pose.h5", "pose.mat"])
def test_damaged_ones_are_errors_and_the_process_goes_on(name, transform, tmp_path, capfd):
    path = tmp_path / name
    SimpleITK.WriteTransform(transform, str(path))
    content = path.read_bytes()
    for damaged in (content[: len(content) // 2], content[:9] + b"\xff" * 60 + content[69:], b"\xff" * 400):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match=r"is not an ITK transform|is damaged"):
            read_itk_transform(path)
    assert capfd.readouterr() == ("", "")


def test_one_that_takes_too_long_is_given_up(transform, tmp_path, monkeypatch):
    path = tmp_path / "pose.h5"
    SimpleITK.WriteTransform(transform, str(path))
    monkeypatch.setattr(isolated_itk, "_CODE", "import time; {paths!r}; time.sleep(60)")
    monkeypatch.setattr(isolated_itk, "_SECONDS", 0.5)
    with pytest.raises(InputError, match=r"within 0\.5 s"):
        read_itk_transform(path)


def test_the_child_imports_nothing_from_the_working_folder(transform, tmp_path, monkeypatch):
    (tmp_path / "SimpleITK.py").write_text("raise SystemExit('imported from the working folder')")
    SimpleITK.WriteTransform(transform, str(tmp_path / "pose.h5"))
    monkeypatch.chdir(tmp_path)
    assert read_itk_transform("pose.h5").GetParameters() == transform.GetParameters()


def test_text_that_is_not_text(tmp_path):
    (tmp_path / "pose.tfm").write_bytes(b"#Insight Transform File V1.0\n\xff\xfe\n")
    with pytest.raises(InputError, match="not an ITK transform"):
        read_itk_transform(tmp_path / "pose.tfm")
