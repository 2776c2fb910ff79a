"""How kernels are compiled, and where they are kept.

They are kept beside the source or in the user's cache folder, and in the temporary folder where neither can be written
to: a service account without a home folder on a system-wide installation.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba

from SphericalRegLib.kernel_cache import KernelCache

# numba takes settings from a file of this name in the working directory, and with them a folder of compiled code, which
# is executed: a name that is no file stands for none.
numba.config._config_fname = os.devnull
numba.config.reload_config()


def compiled(function: Callable[..., Any]) -> Any:
    """Decorator of a kernel: compiled at its first call, kept on disk, and free of Python's lock while it runs.

    A kernel computes a part of its rows: :func:`~SphericalRegLib.threads.share_out` runs several parts at once. numba's
    own ``parallel=True`` is not used. Its threads wait actively on some of the runtimes it may find and must not be
    entered from two threads at once on others. It also leaves two machine codes of one loop in the process that
    compiles, the loop's own and the one that was optimized once more within its caller: that process ran the first,
    later ones load the second, and their results differed in the last bits.

    What a kernel calls must be :func:`inlined`, for the same reason.
    """
    ensure_cache_folder(function.__code__.co_filename)
    kernel = numba.njit(nogil=True, error_model="numpy")(function)
    kernel._cache = KernelCache(function)
    return kernel


def inlined(fastmath: bool = False) -> Callable[[Callable[..., Any]], Any]:
    """Decorator of what kernels call: becomes part of each caller's machine code and has none of its own to run.

    Args:
        fastmath: whether sums may be taken in another order and NaN has no meaning, so that loops are vectorized.
    """
    return lambda function: numba.njit(fastmath=fastmath, error_model="numpy", forceinline=True)(function)


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
