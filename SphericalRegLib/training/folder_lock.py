"""One training a folder: a lock that ends with the process that holds it."""

from __future__ import annotations

import datetime
import os
import socket
import weakref
from pathlib import Path

from SphericalRegLib.errors import CheckpointError
from SphericalRegLib.file_lock import FileLock, NoLocksError

_NAME = "training.lock"
_LONGEST = 200


class FolderLock:
    """A training folder that is this process's own, as long as this object lives.

    Attributes:
        held: False where the file system has no locks, so that nobody is kept out.
    """

    def __init__(self, lock: FileLock | None) -> None:
        self._lock = lock
        self.held = lock is not None


# Two runs in one process, one after the other in a notebook for instance, share the lock.
_held: weakref.WeakValueDictionary[str, FolderLock] = weakref.WeakValueDictionary()


def lock_folder(folder: Path) -> FolderLock:
    """The lock of a training folder that exists.

    Raises:
        CheckpointError: where another process trains in it.
        OSError: where the lock's file cannot be written.
    """
    name = os.path.realpath(folder)
    held = _held.get(name)
    if held is not None:
        return held
    path = folder / _NAME
    try:
        lock = FileLock.take(path)
    except NoLocksError:
        return FolderLock(None)
    if lock is None:
        raise CheckpointError(
            f"Another training is at work in {folder} ({_owner(path)}): wait for its end, or name another folder."
        )
    now = datetime.datetime.now().isoformat(" ", "seconds")
    lock.write(f"process {os.getpid()} on {socket.gethostname()}, since {now}")
    held = FolderLock(lock)
    _held[name] = held
    return held


def _owner(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")[:_LONGEST] or "it has just begun"
    except OSError:
        return "which does not say"
