"""Where the sample data lies: in the source tree's Resources/, or within the installed package."""

from __future__ import annotations

from pathlib import Path

from SphericalRegLib.errors import InputError

_PACKAGE = Path(__file__).resolve().parent
_FOLDERS = (_PACKAGE.parent / "Resources" / "SampleData", _PACKAGE / "sample_data")


def sample_path(name: str) -> Path:
    """The path of one file of the sample data, such as ``pelvis_lumbar_3mm.nii.gz``.

    Raises:
        InputError: where no such file was shipped; the message lists those that were.
    """
    for folder in _FOLDERS:
        if (path := folder / name).is_file():
            return path
    present = sorted({file.name for folder in _FOLDERS if folder.is_dir() for file in folder.iterdir()})
    listing = ", ".join(present) or f"none, in neither {_FOLDERS[0]} nor {_FOLDERS[1]}: reinstall SphericalReg"
    raise InputError(f"There is no sample file {name!r}. Those that are there: {listing}.")
