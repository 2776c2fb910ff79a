"""A full disk is noticed whatever ITK says, and leaves nothing."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

CODE = """
import resource, sys
import numpy as np, SimpleITK
from SphericalRegLib.errors import InputError
from SphericalRegLib.io.images.itk_writer import write_itk_image, write_itk_transform

pixels = np.random.default_rng(0).normal(size=(10, 20, 30)).astype(np.float32)
image = SimpleITK.GetImageFromArray(pixels if "nii" in sys.argv[1] else pixels[0])
if sys.argv[2] == "full":
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))
try:
    if sys.argv[1].endswith(".tfm"):
        write_itk_transform(sys.argv[1], SimpleITK.AffineTransform(3))
    else:
        write_itk_image(sys.argv[1], image)
except InputError as error:
    print(error)
"""


@pytest.mark.skipif(os.name != "posix", reason="needs a limit of POSIX")
@pytest.mark.parametrize("disk", ["full", "empty"])
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.nrrd", "a.mha", "a.tif", "a.tfm"])
def test_half_a_file_is_an_error_and_is_not_left(disk, name, tmp_path):
    command = [sys.executable, "-c", CODE, str(tmp_path / name), disk]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    assert ("Cannot write to the output" in done.stdout) == (disk == "full")
    assert os.listdir(tmp_path) == ([] if disk == "full" else [name])
