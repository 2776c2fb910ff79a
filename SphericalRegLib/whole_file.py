"""Writing files whole or not at all: the one way in which anything of ours is written.

Files are written into a folder ``.unfinished-...`` beside their place, flushed to the disk, and only then renamed. An
error or a signal that becomes an exception deletes it. A process that was killed leaves it, and the next one that
writes into the same folder sweeps it: a lock within tells whether its owner still lives.

Each file appears at once. Several do so one after the other, under a lock against other runs, and a failure among them
takes back those before: only a kill or a loss of power within these few milliseconds leaves files of two runs. So it
does on file systems without locks when two runs end in the same moment.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from SphericalRegLib.errors import InputError
from SphericalRegLib.file_lock import FileLock, NoLocksError

_PREFIX = ".unfinished-"
_STAGE = re.compile(re.escape(_PREFIX) + r"\w{8,16}")
_OWNER = "owner.lock"
_MOVING = f"{_PREFIX}moving.lock"
# Seconds after which a stage is left behind whose owner cannot be asked.
_OLD = 7 * 24 * 3600.0
# Stages begun, where sweeps of other runs delete those that have no lock yet.
_TRIES = 5
# Seconds that another run may take to move its files.
_PATIENCE = 60.0


@contextlib.contextmanager
def whole_folder(output: str | os.PathLike[str], written: list[Path] | None = None) -> Iterator[Path]:
    """A folder to write files into; what it holds moves to ``output`` at the end, and is deleted after an error.

    Entering proves that ``output`` can be written to, before any work is spent. Files of the same name from an earlier
    run are replaced, others stay. A link is followed, whether ``output`` is one or a file in it.

    Args:
        output: the folder; made if it is not there.
        written: gets the files' places, behind all links, as soon as they are there.

    Raises:
        InputError: where it cannot be written.
    """
    folder = real_place(output)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"The output {output} is a file, where a folder is expected: name another one.")
    with _Stage.opened(folder) as stage, contextlib.ExitStack() as links:
        yield stage.files
        _commit([_move_of(file, folder / file.name, links) for file in sorted(stage.files.iterdir())], written)


@contextlib.contextmanager
def whole_files(*outputs: str | os.PathLike[str], written: list[Path] | None = None) -> Iterator[tuple[Path, ...]]:
    """Files to write to, with the outputs' names, that become them together at the end or are deleted after an error.

    Args:
        *outputs: the files; their folders are made if they are not there.
        written: gets their places, behind all links, as soon as they are there.

    Raises:
        InputError: where one cannot be written.
    """
    targets = [_file_place(output) for output in outputs]
    with contextlib.ExitStack() as stack:
        stages = [stack.enter_context(_Stage.opened(target.parent)) for target in targets]
        files = tuple(stage.files / target.name for stage, target in zip(stages, targets, strict=True))
        yield files
        _commit([_Move(file, target) for file, target in zip(files, targets, strict=True) if file.exists()], written)


@contextlib.contextmanager
def whole_file(output: str | os.PathLike[str]) -> Iterator[Path]:
    """The same for one file. Where nothing was written to it, nothing changes.

    Raises:
        InputError: where it cannot be written.
    """
    with whole_files(output) as (file,):
        yield file


def write_whole(output: str | os.PathLike[str], content: bytes | str | Callable[[Path], object]) -> None:
    """Write one file.

    Args:
        output: the file, in a folder that is there.
        content: of it, text as UTF-8 with the line ends that it has; or what writes it to the path that it is given.

    Raises:
        InputError: where it cannot be written.
    """
    if not real_place(output).parent.is_dir():
        raise InputError(f"Cannot write {output}: there is no folder {Path(output).parent}. Make it, or name another.")
    with whole_file(output) as file:
        try:
            if isinstance(content, bytes):
                file.write_bytes(content)
            elif isinstance(content, str):
                file.write_bytes(content.encode())
            else:
                content(file)
        # the second is how ITK says it
        except (OSError, RuntimeError) as error:
            raise _unwritable(f"the output {output}", error) from None


def real_place(output: str | os.PathLike[str]) -> Path:
    """Where something is written: the path itself, or what it leads to where it is a link.

    Raises:
        InputError: for a link that leads in a circle or to a folder that is not there, and for no path at all.
    """
    try:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            # what the system cannot look up, a name too long for instance, is told here
            os.lstat(output)
        if not os.path.islink(output):
            return Path(output)
        place = Path(os.path.realpath(output))
    except (OSError, ValueError) as error:
        raise InputError(f"The output {str(output)[:200]!r} cannot be used ({error}): name another one.") from None
    if os.path.islink(place):
        raise InputError(f"The output {output} is a link that leads in a circle: delete it, or name another output.")
    if not place.parent.is_dir():
        raise InputError(f"The output {output} is a link to {place}, whose folder is not there: make it first.")
    return place


def _file_place(output: str | os.PathLike[str]) -> Path:
    target = real_place(output)
    if target.is_dir():
        raise InputError(f"The output {output} is a folder, where a file is expected: add a file name.")
    if target.exists() and not target.is_file():
        raise InputError(f"The output {output} is no ordinary file (a pipe or a device): name another one.")
    if target.exists() and not os.access(target, os.W_OK):
        raise InputError(f"The output {output} is there already, and write-protected: name another one.")
    return target


@dataclass
class _Stage:
    """A folder beside the place of what is written into it.

    Attributes:
        path: of the folder.
        lock: held while it is used; None where there are no locks.
        made: folders that were made for it.
    """

    path: Path
    lock: FileLock | None = None
    made: list[Path] = field(default_factory=list)

    @property
    def files(self) -> Path:
        """What is written into."""
        return self.path / "files"

    @classmethod
    @contextlib.contextmanager
    def opened(cls, folder: Path) -> Iterator[_Stage]:
        """One in a folder, which is made if it is not there; deleted at the end.

        Raises:
            InputError: where the folder cannot be written to.
        """
        stage = cls(folder / _new_name())
        try:
            try:
                stage._make()
            except OSError as error:
                raise _unwritable(f"the output folder {folder}", error) from None
            yield stage
        finally:
            try:
                stage._delete()
            finally:
                # a signal may have cut the first one short
                stage._delete()

    def _make(self) -> None:
        folder = self.path.parent
        self.made = [path for path in (folder, *folder.parents) if not path.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        _sweep(folder)
        for _ in range(_TRIES):
            with contextlib.suppress(FileNotFoundError):
                self.path.mkdir(mode=0o700)
                try:
                    self.lock = FileLock.take(self.path / _OWNER)
                except NoLocksError:
                    break
                if self.lock is not None:
                    break
            # a sweep took it for one that was left, before it had its lock
            self.path = folder / _new_name()
        self.files.mkdir()

    def _delete(self) -> None:
        if self.lock is not None:
            self.lock.release()
        shutil.rmtree(self.path, ignore_errors=True)
        for folder in self.made:
            # one that holds anything stays
            with contextlib.suppress(OSError):
                folder.rmdir()


def _new_name() -> str:
    return f"{_PREFIX}{secrets.token_hex(6)}"


def _sweep(folder: Path) -> None:
    """Delete what killed processes have left in a folder."""
    for entry in list(os.scandir(folder)):
        if _STAGE.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False) and _is_left(Path(entry.path)):
            shutil.rmtree(entry.path, ignore_errors=True)


def _is_left(stage: Path) -> bool:
    """Whether nobody works with a stage any more."""
    try:
        if (stage / _OWNER).exists():
            with contextlib.suppress(NoLocksError):
                lock = FileLock.take(stage / _OWNER)
                if lock is None:
                    return False
                lock.release()
                return True
        return time.time() - stage.stat().st_mtime > _OLD
    except OSError:
        # another one's, or gone meanwhile
        return False


@dataclass(frozen=True)
class _Move:
    """One file on its way: both places lie in one file system."""

    source: Path
    target: Path

    @property
    def spare(self) -> Path:
        """The file that is replaced, until all are."""
        return self.source.parent.parent / f"old-{self.source.name}"

    def do(self) -> None:
        """Put the file into its place, and keep what was there."""
        if self.target.exists():
            try:
                os.link(self.target, self.spare)
            except OSError:
                # a file system without links
                shutil.copy2(self.target, self.spare)
        os.replace(self.source, self.target)

    def undo(self) -> None:
        """As it was before; whether or not it was done."""
        if self.source.exists():
            return
        if self.spare.exists():
            os.replace(self.spare, self.target)
        else:
            self.target.unlink(missing_ok=True)


def _move_of(file: Path, target: Path, stack: contextlib.ExitStack) -> _Move:
    """The move of a file to its place; where a link leads elsewhere, by way of a stage there.

    Raises:
        InputError: for a place that cannot be written.
    """
    place = _file_place(target)
    if place.parent == target.parent:
        return _Move(file, place)
    stage = stack.enter_context(_Stage.opened(place.parent))
    try:
        return _Move(Path(shutil.copyfile(file, stage.files / place.name)), place)
    except OSError as error:
        raise _unwritable(f"the output folder {place.parent}", error) from None


def _commit(moves: Sequence[_Move], written: list[Path] | None) -> None:
    """Put all files into their places, or none.

    Raises:
        InputError: where it cannot be done.
    """
    folders = sorted({move.target.parent for move in moves})
    try:
        for move in moves:
            _flush(move.source)
        with contextlib.ExitStack() as stack:
            # always in the same order, so that two runs never wait for each other
            for folder in folders:
                stack.enter_context(_alone_in(folder))
            _do_all(moves, folders)
            if written is not None:
                written += [move.target for move in moves]
    except OSError as error:
        raise _unwritable(f"the output folder {', '.join(map(str, folders))}", error) from None


def _do_all(moves: Sequence[_Move], folders: Sequence[Path]) -> None:
    begun = []
    try:
        for move in moves:
            begun.append(move)
            move.do()
        for folder in folders:
            _flush_folder(folder)
    except BaseException:
        for move in reversed(begun):
            move.undo()
        raise


@contextlib.contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Within it, no other run moves files into a folder; without locks nobody is kept out."""
    path = folder / _MOVING
    deadline = time.monotonic() + _PATIENCE
    try:
        lock = FileLock.take(path)
        while lock is None:
            if time.monotonic() > deadline:
                raise InputError(f"Another run keeps {folder} busy: stop it, or name another folder.")
            time.sleep(0.01)
            lock = FileLock.take(path)
    except NoLocksError:
        path.unlink(missing_ok=True)
        yield
        return
    try:
        yield
    finally:
        lock.release(delete=True)


def _flush(file: Path) -> None:
    """See that the disk has it all: a full one may say so only here."""
    with file.open("rb+") as handle:
        os.fsync(handle.fileno())


def _flush_folder(folder: Path) -> None:
    """Make the renaming itself survive a loss of power; not every system can."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _unwritable(place: str, error: Exception) -> InputError:
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error).strip() or repr(error)
    return InputError(f"Cannot write to {place}: {reason.splitlines()[-1]}. Choose another place, or free some space.")
