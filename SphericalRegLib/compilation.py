"""Where compiled kernels are kept: import this before the first ``@njit(cache=True)``.

numba keeps them beside the source or in the user's cache folder, and refuses to define a cached function where neither
can be written to: a service account without a home folder on a system-wide installation.
"""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

import numba

# numba takes settings from a file of this name in the working directory, and with them a folder of compiled code, which
# is executed: a name that is no file stands for none.
numba.config._config_fname = os.devnull
numba.config.reload_config()


def ensure_cache_folder(source: str) -> None:
    """Point numba at a private temporary folder if nothing else is writable.

    Args:
        source: ``__file__`` of the module that defines cached functions.
    """
    beside = Path(source).parent / "__pycache__"
    if numba.config.CACHE_DIR or _writable(beside) or _writable(_user_cache()):
        return
    numba.config.CACHE_DIR = str(_private_folder())


def _user_cache() -> Path:
    """numba's own choice, as far as it matters here: whether the home folder can be written to."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "numba"


def _writable(folder: Path) -> bool:
    """Whether the folder, or the nearest one above it that exists, can be written to."""
    try:
        while not folder.exists() and folder != folder.parent:
            folder = folder.parent
        return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)
    except OSError:
        return False


def _private_folder() -> Path:
    """One that only this user can write to, for what lies in it is executed; the same one next time if it still is."""
    if hasattr(os, "getuid"):
        folder = Path(tempfile.gettempdir()) / f"sphericalreg-kernels-{os.getuid()}"
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            found = folder.lstat()
            if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022:
                return folder
        except OSError:
            pass
    return Path(tempfile.mkdtemp(prefix="sphericalreg-kernels-"))
