"""What C and C++ libraries print while they read a file: kept off the user's terminal, and read for signs of damage."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator

# Of what was printed, enough to know what it was about.
_LONGEST = 20_000
# libjpeg, libpng, libtiff, zlib and MetaIO go on after these, with gray or with zeros where pixels should be.
_DAMAGE = re.compile(
    r"corrupt|premature end|not read completely|read error|CRC error|uncompress failed|decod\w* error|decoded string"
    r"|bogus|not enough data|unexpected end|sanity check",
    re.IGNORECASE,
)
# The two streams are the process's own.
_lock = threading.RLock()


@contextlib.contextmanager
def native_output() -> Iterator[list[str]]:
    """Within, the process's output streams go into a file; afterwards the list holds the lines that came.

    Without a console (a window program on Windows) there is nothing to redirect, and the list stays empty.
    """
    lines: list[str] = []
    with _lock, contextlib.ExitStack() as cleanup:
        _flush()
        file = cleanup.enter_context(tempfile.TemporaryFile())
        redirected = []
        for stream in (1, 2):
            with contextlib.suppress(OSError):
                kept = os.dup(stream)
                os.dup2(file.fileno(), stream)
                redirected.append((kept, stream))
        try:
            yield lines
        finally:
            _flush()
            for kept, stream in redirected:
                os.dup2(kept, stream)
                os.close(kept)
            file.seek(0)
            lines += file.read(_LONGEST).decode("utf-8", "replace").splitlines()


def damage_in(lines: list[str]) -> str | None:
    """The first line that tells of damaged pixels, which the library made up for; None where there is none."""
    return next((line.strip() for line in lines if _DAMAGE.search(line)), None)


def _flush() -> None:
    """Send out what Python and C hold back, so that each line reaches the stream it was meant for."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
    if sys.platform != "win32":
        ctypes.CDLL(None).fflush(None)
