"""A child process that reads files one after another, and tells of each how that went.

One line of JSON in for each case, one out. The parent sees to time; this process bounds its own memory where the system
can, and what libraries print goes into a file, since nothing of it belongs on a user's terminal.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import traceback
from pathlib import Path
from typing import IO, Any

from SphericalRegLib.errors import SphericalRegError

#: Bytes of memory that one case may take beyond what the process has when it begins.
MEMORY = 4 * 2**30
# Bytes beyond which a case that ended well has still taken too much for files of a few MiB.
_RESIDENT = 2**30


def main() -> None:
    """Serve until the input ends."""
    from Testing.Fuzz.readers import READERS

    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    printed = tempfile.TemporaryFile()  # noqa: SIM115
    for stream in (1, 2):
        os.dup2(printed.fileno(), stream)
    _bound_memory()
    answers.write("ready\n")
    answers.flush()
    for line in sys.stdin:
        case = json.loads(line)
        print(json.dumps(_tried(READERS[case["kind"]], case, printed)), file=answers, flush=True)


def _tried(reader: Any, case: dict[str, str], printed: IO[bytes]) -> dict[str, str]:
    outcome, detail = "read", ""
    before = _largest_resident()
    try:
        reader(Path(case["path"]), Path(case["seeds"]))
    except SphericalRegError as error:
        outcome, detail = "refused", str(error)
    except MemoryError:
        outcome, detail = "memory", traceback.format_exc()
    except BaseException:
        outcome, detail = "traceback", traceback.format_exc()
    if outcome in ("read", "refused") and _largest_resident() - before > _RESIDENT:
        outcome, detail = "memory", f"{(_largest_resident() - before) / 2**20:.0f} MiB; {detail}"
    sys.stdout.flush()
    sys.stderr.flush()
    printed.seek(0)
    text = printed.read(4000).decode("utf-8", "replace")
    printed.seek(0)
    printed.truncate()
    if case["kind"] == "config":
        text = ""  # the command line says what it refuses there, as it should
    return {"outcome": outcome, "detail": detail[-4000:], "printed": text}


def _bound_memory() -> None:
    try:
        import resource
    except ImportError:  # Windows
        return
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except OSError:
        return
    limit = pages * os.sysconf("SC_PAGE_SIZE") + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _largest_resident() -> int:
    """Bytes, at most so far."""
    try:
        import resource
    except ImportError:
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    main()
