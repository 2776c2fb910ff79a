"""Autoscoper's trial files."""

import pytest

from SphericalRegLib.errors import InputError
from SphericalRegLib.io.sequences.trial import read_trial

TEXT = """# a trial
Version 1.1

mayaCam_csv Calibration/cam01.csv
mayaCam_csv Calibration/cam 02.csv
CameraRootDir Radiographs\\cam01/
CameraRootDir Radiographs/cam02/
VolumeFile Volumes/radius.tif
VolumeFlip 0 1 0
VoxelSize 0.39625 0.39625 0.625
VolumeFile Volumes/ulna.tif
VolumeFlip 0 0 0
VoxelSize 0.4 0.4 0.6
RenderResolution 512 512
OptimizationOffsets 0.1 0.1 0.1 0.1 0.1 0.1
"""


def test_a_trial_names_cameras_radiographs_and_volumes(tmp_path):
    (tmp_path / "wrist.cfg").write_text(TEXT)
    trial = read_trial(tmp_path / "wrist.cfg")
    assert [path.name for path in trial.calibrations] == ["cam01.csv", "cam 02.csv"]
    assert trial.radiographs == (tmp_path / "Radiographs" / "cam01", tmp_path / "Radiographs" / "cam02")
    assert [volume.path.stem for volume in trial.volumes] == ["radius", "ulna"]
    assert trial.volumes[0].voxel_mm == (0.39625, 0.39625, 0.625)
    assert trial.volumes[0].flip == (False, True, False)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("CameraRootDir Radiographs/cam02/\n", "", "2 calibrations .* 1 folders"),
        ("VoxelSize 0.4 0.4 0.6\n", "", "2 volumes, 1 voxel sizes"),
        ("0.4 0.4 0.6", "0.4 0.4", "line 13: VoxelSize needs three numbers"),
        ("0.4 0.4 0.6", "0.4 -0.4 0.6", "voxel size"),
        ("Version 1.1", "Colour red", "line 2: 'Colour' is no key"),
        ("VolumeFile Volumes/ulna.tif", "VolumeFile", "line 11: VolumeFile names no file"),
    ],
)
def test_what_is_no_trial_is_refused_with_the_line(tmp_path, old, new, words):
    (tmp_path / "wrist.cfg").write_text(TEXT.replace(old, new))
    with pytest.raises(InputError, match=words):
        read_trial(tmp_path / "wrist.cfg")
