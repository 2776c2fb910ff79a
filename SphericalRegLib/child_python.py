"""Python processes of our own: they import nothing from the working directory.

``python -c``, which is also how :mod:`multiprocessing` spawns, looks there first, before the standard library: in a
folder of downloaded data a file ``torch.py`` or ``pickle.py`` would be executed. Python 3.11 and later has a switch
against it that children inherit, PYTHONSAFEPATH. (``-I`` would also drop PYTHONPATH, by which 3D Slicer finds its
packages.)
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path


def code(statement: str) -> str:
    """Code for ``python -c`` that runs a statement with this library first on the path, and the working directory off.

    Where there is no PYTHONSAFEPATH, ``import sys`` is safe: it is built in.
    """
    library = str(Path(__file__).resolve().parents[1])
    return f"import sys; sys.path[:] = [{library!r}, *(p for p in sys.path if p not in ('', {library!r}))]; {statement}"


def environment(of: Mapping[str, str]) -> dict[str, str]:
    """An environment for a child: as it was, but neither Python nor PYTHONPATH means the working directory.

    An empty part of PYTHONPATH, as ``PYTHONPATH=$PYTHONPATH:folder`` leaves it, is the working directory.
    """
    safe = {**of, "PYTHONSAFEPATH": "1"}
    if "PYTHONPATH" in safe:
        safe["PYTHONPATH"] = os.pathsep.join(part for part in safe["PYTHONPATH"].split(os.pathsep) if part)
    return safe


@contextlib.contextmanager
def spawning() -> Iterator[None]:
    """Within it, :mod:`multiprocessing` spawns such processes.

    Before Python 3.11 they are started from a folder that only an administrator can write to, and go to this process's
    own before they do anything.
    """
    before, folder = dict(os.environ), os.getcwd()
    os.environ.update(environment(before))
    if sys.version_info < (3, 11):
        os.chdir(sys.prefix)
    try:
        yield
    finally:
        if sys.version_info < (3, 11):
            os.chdir(folder)
        for name in ("PYTHONSAFEPATH", "PYTHONPATH"):
            if name in before:
                os.environ[name] = before[name]
            else:
                os.environ.pop(name, None)
