"""A lock on a file that the operating system releases when its owner ends, however it ends.

Windows locks a byte of the file, other systems the file (flock). On network file systems the server must take part: NFS
does for files opened for writing, unless mounted with ``nolock`` or ``local_lock``; Lustre only when mounted with
``flock``. Where there are no locks, that is an error of its own: who locks decides what then.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from pathlib import Path

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

# Bytes: far behind what is written into a lock's file, for a locked byte cannot be read on Windows.
_LOCKED_BYTE = 2**30
_TAKEN = (errno.EACCES, errno.EAGAIN, errno.EWOULDBLOCK, errno.EDEADLK)


class NoLocksError(OSError):
    """The file system has no locks."""


class FileLock:
    """Held from :meth:`take` until :meth:`release`, or until this process ends."""

    def __init__(self, path: Path, handle: int) -> None:
        self.path = path
        self._handle: int | None = handle

    @classmethod
    def take(cls, path: Path) -> FileLock | None:
        """The lock of a file, which is made if it is not there; None where another one holds it.

        Raises:
            NoLocksError: where the file system has no locks.
            OSError: where the file cannot be opened.
        """
        while True:
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                if not _locked(handle):
                    os.close(handle)
                    return None
                if _is_still(path, handle):
                    return cls(path, handle)
            except BaseException:
                os.close(handle)
                raise
            # who held it has deleted the file meanwhile: this lock is one on nothing
            os.close(handle)

    def write(self, text: str) -> None:
        """Say in the file who holds it."""
        assert self._handle is not None
        os.ftruncate(self._handle, 0)
        os.write(self._handle, text.encode())

    def release(self, delete: bool = False) -> None:
        """Let another one take it; once more does nothing.

        Args:
            delete: the file as well.
        """
        if self._handle is None:
            return
        handle, self._handle = self._handle, None
        if delete and sys.platform != "win32":
            with contextlib.suppress(OSError):
                self.path.unlink()
        os.close(handle)
        if delete and sys.platform == "win32":
            # an open file cannot be deleted there: not even by us while another one waits for it
            with contextlib.suppress(OSError):
                self.path.unlink()

    def __del__(self) -> None:
        self.release()


def _locked(handle: int) -> bool:
    try:
        if sys.platform == "win32":
            os.lseek(handle, _LOCKED_BYTE, os.SEEK_SET)
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
            os.lseek(handle, 0, os.SEEK_SET)
        else:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _TAKEN:
            return False
        raise NoLocksError(error.errno, error.strerror) from error
    return True


def _is_still(path: Path, handle: int) -> bool:
    """Whether the path leads to the open file."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(handle))
    except FileNotFoundError:
        return False
