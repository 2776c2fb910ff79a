"""Reading files that end ITK's process when they are damaged, in a process of their own.

HDF5 and MATLAB transforms cannot be checked beforehand without their own libraries, and both readers crash over damaged
ones. The child reads the file and writes the same transform as text, which ITK reads safely. It takes some 0.4 s.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import SimpleITK

from SphericalRegLib.errors import InputError
from SphericalRegLib.io.images.native_output import native_output
from SphericalRegLib.text_files import existing_file

# Text that ITK reads in this process.
_TEXT = (".tfm", ".txt")
# Seconds that the child may take, and bytes of a file that holds a pose and not a field of displacements.
_SECONDS, _MOST_BYTES = 60.0, 2**26
_CODE = """\
import sys
sys.path[:] = {paths!r}
import SimpleITK
SimpleITK.WriteTransform(SimpleITK.ReadTransform(sys.argv[1]), sys.argv[2])
"""


def read_itk_transform(path: str | Path) -> SimpleITK.Transform:
    """A transform from a file that ITK reads, whatever that file does to its reader.

    Args:
        path: ``.tfm`` or ``.txt`` (text), ``.h5`` or ``.mat``.

    Raises:
        InputError: for a file that is no transform, damaged, or of more than 64 MiB.
    """
    path = existing_file(path)
    size = path.stat().st_size
    if size > _MOST_BYTES:
        raise InputError(f"{path} has {size} bytes, which is no pose: name a rigid transform.")
    if path.suffix.lower() in _TEXT:
        return _read(path, path)
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder) / "transform.tfm"
        _convert(path, text)
        return _read(text, path)


def _convert(path: Path, text: Path) -> None:
    # in Slicer sys.executable may be the application itself
    python = shutil.which("PythonSlicer") or sys.executable
    if not python:
        raise InputError(f"{path} cannot be read where no Python is known: save the transform as text (.tfm).")
    # what this process can import, and nothing from the folder it happens to work in
    code = _CODE.format(paths=[os.path.abspath(entry) for entry in sys.path if entry])
    try:
        done = subprocess.run(
            [python, "-c", code, os.path.abspath(path), str(text)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_SECONDS,
            cwd=text.parent,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except subprocess.TimeoutExpired:
        raise InputError(f"{path} is damaged: it cannot be read within {_SECONDS:g} s. {_REMEDY}") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {python} does not start ({error}). {_REMEDY}") from None
    if done.returncode != 0 or not text.is_file():
        raise InputError(f"{path} is not an ITK transform (.tfm, .h5), or is damaged. {_REMEDY}")


_REMEDY = "Export it from 3D Slicer again, as text (.tfm) best."


def _read(path: Path, original: Path) -> SimpleITK.Transform:
    try:
        path.read_text(encoding="utf-8")
        with native_output():
            return SimpleITK.ReadTransform(str(path))
    except (RuntimeError, UnicodeDecodeError, MemoryError, OSError):
        raise InputError(f"{original} is not an ITK transform (.tfm, .h5). {_REMEDY}") from None
