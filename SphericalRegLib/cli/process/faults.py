"""What no command expects: one line for the user, and a file with the traceback for us."""

from __future__ import annotations

import errno
import os
import platform
import sys
import tempfile
import traceback
from collections.abc import Sequence
from importlib import metadata
from itertools import takewhile

from SphericalRegLib import __version__
from SphericalRegLib.errors import is_memory_shortage

_PACKAGES = ("torch", "numpy", "scipy", "SimpleITK", "pydicom", "numba", "llvmlite", "opencv-python-headless")
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# Characters of an exception's message that fit on a line.
_LONGEST = 300


def tell(message: str, error: BaseException | None = None) -> None:
    """One line on stderr, below the traceback of an error if there is one."""
    if error is not None:
        traceback.print_exception(type(error), error, error.__traceback__)
    print(f"sphericalreg: {message}", file=sys.stderr)


def report(error: Exception, arguments: Sequence[str], verbose: bool) -> None:
    """Tell of an exception that no command expects, and keep its traceback in a file.

    Args:
        error: the exception.
        arguments: of the command line.
        verbose: print the traceback as well.
    """
    kept = _keep(error, arguments)
    shown = error if verbose else None
    words = (str(error).strip().splitlines() or [""])[0][:_LONGEST].rstrip(".")
    if is_memory_shortage(error):
        tell(
            "There is not enough memory. Read the CT smaller (--downsample 2), use fewer --workers or a smaller batch, "
            f"or close other programs; {kept}.",
            shown,
        )
    elif isinstance(error, OSError) and error.errno in _FULL:
        tell(f"The disk is full, or your share of it ({words}): free some space; {kept}.", shown)
    elif isinstance(error, OSError) and error.errno is not None:
        tell(f"A file, folder or device cannot be used ({words}): check that it is there; {kept}.", shown)
    elif isinstance(error, ImportError):
        tell(f"A Python package cannot be loaded ({words}): install SphericalReg anew; {kept}.", shown)
    else:
        name = type(error).__name__
        tell(f"{name}: {words}. This is a fault of SphericalReg; {kept}: please report it.", shown)


def _keep(error: Exception, arguments: Sequence[str]) -> str:
    """Save a traceback where only this user can read it; in words, where that is."""
    lines = [
        f"SphericalReg {__version__}, Python {platform.python_version()}, {platform.platform()}",
        ", ".join(_versions()),
        f"sphericalreg {' '.join(_without_values(arguments))}",
        "Values of options are left out, for they may name patients. Look through what follows before you send it.",
        "",
        *traceback.format_exception(type(error), error, error.__traceback__),
    ]
    try:
        handle, path = tempfile.mkstemp(prefix="sphericalreg-fault-", suffix=".txt")
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write("\n".join(lines))
    except OSError as failure:
        return f"the traceback could not be saved ({failure.strerror}): see it with --verbose"
    return f"the traceback is saved in {path}"


def _without_values(arguments: Sequence[str]) -> list[str]:
    """The command and the names of its options."""
    command = [argument for argument in arguments[:1] if argument.isalpha()]
    # behind -- stand files
    options = takewhile(lambda argument: argument != "--", arguments)
    return command + [option.partition("=")[0] for option in options if option.startswith("--")]


def _versions() -> list[str]:
    found = []
    for package in _PACKAGES:
        try:
            found.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            found.append(f"{package} is not installed")
    return found
