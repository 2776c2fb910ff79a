"""Compiled kernels on disk: one checked file for each, so that a damaged one is compiled anew.

numba's own cache is an index and data files without a checksum: a truncated file breaks every later run, a flipped bit
of machine code ends the process, a full disk is an error, and two processes may overwrite one another's index. Here a
file carries the digest of what it holds and the key that it belongs to stands in its name. It is written beside its
place and then moved there, so that any number of processes may fill the folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import pickle
import stat
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import llvmlite
import numba
import numpy as np
from numba.core.caching import CompileResultCacheImpl, _Cache
from numba.core.serialize import dumps

_log = logging.getLogger(__name__)

_MAGIC = b"SphericalReg kernel 1\n"
_DIGEST_BYTES = hashlib.sha256().digest_size
# What Python's documentation names for pickles of another making.
_UNREADABLE = (
    pickle.UnpicklingError,
    AttributeError,
    EOFError,
    ImportError,
    IndexError,
    KeyError,
    TypeError,
    ValueError,
)


class KernelCache(_Cache):
    """What numba asks for and hands over compiled code of one function; takes the place of ``njit(cache=True)``.

    Nothing that goes wrong with the files stops the computation: the kernel is compiled anew, and one line of the log
    says so.

    Args:
        function: the plain Python function.
        form: what of compiled code is kept, where that is not numba's own of the CPU: its ``reduce(compiled)`` gives
            what can be pickled, and ``rebuild(target_context, reduced)`` the compiled code.
        versions: of whatever else compiles.
    """

    def __init__(self, function: Callable[..., Any], form: Any = None, versions: tuple[str, ...] = ()) -> None:
        self._function, self._form, self._versions = function, form, versions
        self._source = Path(function.__code__.co_filename)
        self._enabled = True
        self._made: Any = None

    @property
    def cache_path(self) -> str | None:
        """The folder, or None where no place can be written to."""
        implementation = self._implementation()
        return None if implementation is None else str(implementation.locator.get_cache_path())

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The compiled function for a signature, or None."""
        target_context.refresh()
        implementation = self._implementation()
        if not self._enabled or implementation is None:
            return None
        file = self._file(sig, target_context.codegen())
        try:
            if not file.exists():
                return None
            payload = self._checked(file)
            return (self._form or implementation).rebuild(target_context, pickle.loads(payload))
        except OSError as error:
            _log.warning("The compiled kernel %s cannot be read (%s): it is compiled anew.", file, error)
        except _UNREADABLE:
            _log.warning("The compiled kernel %s is damaged: it is deleted and compiled anew.", file)
            with contextlib.suppress(OSError):
                file.unlink()
        return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep a compiled function; where that fails, later processes compile it again."""
        implementation = self._implementation()
        if not self._enabled or implementation is None:
            return
        if self._form is None and not implementation.check_cachable(data):
            return
        file = self._file(sig, data.codegen)
        payload = dumps((self._form or implementation).reduce(data))
        try:
            implementation.locator.ensure_cache_path()
            _write(file, _MAGIC + hashlib.sha256(payload).digest() + payload)
        except OSError as error:
            _log.warning("The compiled kernel cannot be kept in %s (%s): later runs compile it again.", file, error)
            return
        self._forget_older(file)

    def enable(self) -> None:
        """Read and write files again."""
        self._enabled = True

    def disable(self) -> None:
        """Neither read nor write files."""
        self._enabled = False

    def flush(self) -> None:
        """Delete the function's files."""
        path = self.cache_path
        if path is not None:
            for file in Path(path).glob(f"{self._name()}.*"):
                with contextlib.suppress(OSError):
                    file.unlink()

    def _implementation(self) -> Any:
        """numba's part that knows where to keep files and what of a compiled function to keep; None without a place."""
        if self._made is None:
            try:
                self._made = CompileResultCacheImpl(self._function)
            except (OSError, RuntimeError) as error:
                _log.warning("Compiled kernels cannot be kept (%s): every run compiles them again.", error)
                self._enabled = False
        return self._made

    def _name(self) -> str:
        # Windows allows no angle brackets
        name = self._function.__qualname__.replace("<locals>.", "")
        return f"{self._source.stem}.{name}-py{sys.version_info[0]}{sys.version_info[1]}"

    def _file(self, signature: Any, codegen: Any) -> Path:
        """The file for a signature on this processor, by these sources and versions."""
        key = hashlib.sha256(repr((signature, codegen.magic_tuple())).encode()).hexdigest()[:20]
        folder = Path(self._implementation().locator.get_cache_path())
        return folder / f"{self._name()}.{self._sources()}.{key}.kernel"

    def _sources(self) -> str:
        """Digest of all that the machine code is made from: what a kernel calls is compiled into it."""
        versions = (numba.__version__, llvmlite.__version__, np.__version__, sys.version, *self._versions)
        digest = hashlib.sha256(repr(versions).encode())
        for source in sorted(self._source.parent.rglob("*.py")):
            digest.update(source.read_bytes())
        return digest.hexdigest()[:20]

    def _checked(self, file: Path) -> bytes:
        """What a file holds, if it is whole and nobody else's: it is executed.

        Raises:
            OSError: if it cannot be read or belongs to somebody who is not trusted.
            ValueError: if it is damaged.
        """
        with file.open("rb") as stream:
            status = os.fstat(stream.fileno())
            if hasattr(os, "getuid"):
                # the administrator, this user, and whoever wrote the code itself
                trusted = {0, os.getuid(), self._source.stat().st_uid}
                if status.st_uid not in trusted or status.st_mode & stat.S_IWOTH:
                    raise PermissionError("others can write to it")
            content = stream.read()
        start = len(_MAGIC) + _DIGEST_BYTES
        payload = content[start:]
        if content[:start] != _MAGIC + hashlib.sha256(payload).digest():
            raise ValueError("the digest does not match")
        return payload

    def _forget_older(self, kept: Path) -> None:
        """Delete what was compiled from other sources or by other versions."""
        for file in kept.parent.glob(f"{self._name()}.*.kernel"):
            if file.name.split(".")[-3] != kept.name.split(".")[-3]:
                with contextlib.suppress(OSError):
                    file.unlink()


def _write(file: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    handle, name = tempfile.mkstemp(prefix=f"{file.name}.", suffix=".unfinished", dir=file.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        if os.name == "posix":
            # as the folder's: a system-wide installation is compiled by one user for all
            os.chmod(name, 0o644 if file.parent.stat().st_mode & stat.S_IROTH else 0o600)
        os.replace(name, file)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
