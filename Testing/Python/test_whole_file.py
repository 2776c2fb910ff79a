"""Whole files or none: after errors, kills, full disks, links, and beside other runs."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from SphericalRegLib import file_lock
from SphericalRegLib import whole_file as module
from SphericalRegLib.errors import InputError
from SphericalRegLib.file_lock import FileLock, NoLocksError
from SphericalRegLib.whole_file import real_place, whole_file, whole_files, whole_folder, write_whole

posix_only = pytest.mark.skipif(os.name != "posix", reason="needs POSIX")


def contents(folder: Path) -> dict[str, str]:
    return {str(file.relative_to(folder)): file.read_text() for file in folder.rglob("*") if file.is_file()}


def a_process(code: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


class TestWriting:
    def test_puts_text_bytes_and_what_a_function_writes_into_place(self, tmp_path):
        write_whole(tmp_path / "a", "line\nµ")
        write_whole(tmp_path / "b", b"\0")
        write_whole(tmp_path / "c", lambda file: file.write_text(file.name))
        assert (tmp_path / "a").read_bytes() == "line\nµ".encode()
        assert contents(tmp_path) == {"a": "line\nµ", "b": "\0", "c": "c"}

    def test_tells_where_all_went_once_it_is_there(self, tmp_path):
        written: list[Path] = []
        with whole_files(tmp_path / "new" / "a", tmp_path / "b", written=written) as files:
            for file in files:
                file.write_text("1")
            assert written == []
        assert written == [tmp_path / "new" / "a", tmp_path / "b"]

    @pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt, SystemExit])
    def test_leaves_nothing_after_an_exception_not_even_folders(self, kind, tmp_path):
        (tmp_path / "old").write_text("old")

        def work() -> None:
            with whole_folder(tmp_path / "new" / "out") as stage, whole_file(tmp_path / "old") as file:
                (stage / "x").write_text("x")
                file.write_text("new")
                raise kind

        with pytest.raises(kind):
            work()
        assert contents(tmp_path) == {"old": "old"}
        assert os.listdir(tmp_path) == ["old"]

    def test_changes_nothing_where_nothing_was_written(self, tmp_path):
        (tmp_path / "old").write_text("old")
        with whole_file(tmp_path / "old"):
            pass
        assert contents(tmp_path) == {"old": "old"}

    @pytest.mark.parametrize("fails_at", [1, 2, 3])
    @pytest.mark.parametrize("kind", [OSError, KeyboardInterrupt])
    @pytest.mark.parametrize("after", [False, True], ids=["before it", "after it"])
    def test_takes_back_all_files_where_one_cannot_be_moved(self, fails_at, kind, after, tmp_path, monkeypatch):
        old = {"a": "old a", "c": "old c", "other": "stays"}
        for name, text in old.items():
            (tmp_path / name).write_text(text)
        count, real = 0, os.replace

        def replace(source: Path, target: Path) -> None:
            nonlocal count
            count += 1
            if count == fails_at and not after:
                raise kind(errno.EIO, "broken")
            real(source, target)
            if count == fails_at:
                raise kind(errno.EIO, "broken")

        monkeypatch.setattr(module.os, "replace", replace)

        def work() -> None:
            with whole_folder(tmp_path) as stage:
                for name in "abc":
                    (stage / name).write_text("new")

        with pytest.raises(InputError if kind is OSError else kind):
            work()
        assert contents(tmp_path) == old

    def test_works_where_files_have_no_second_names(self, tmp_path, monkeypatch):
        (tmp_path / "a").write_text("old")

        def no_links(*_: object) -> None:
            raise OSError(errno.EPERM, "no links here")

        monkeypatch.setattr(module.os, "link", no_links)
        write_whole(tmp_path / "a", "new")
        assert contents(tmp_path) == {"a": "new"}

    @pytest.mark.parametrize("step", ["fsync", "write_bytes"])
    def test_tells_of_a_full_disk_and_keeps_the_old_file(self, step, tmp_path, monkeypatch):
        (tmp_path / "a").write_text("old")

        def full(*_: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os if step == "fsync" else Path, step, full)
        with pytest.raises(InputError, match=r"Cannot write .*No space left on device.*free some space"):
            write_whole(tmp_path / "a", "new")
        assert contents(tmp_path) == {"a": "old"}

    @posix_only
    def test_a_real_limit_of_the_file_size_leaves_nothing(self, tmp_path):
        code = (
            "import resource, sys\n"
            "from SphericalRegLib.whole_file import write_whole\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))\n"
            "try:\n write_whole(sys.argv[1], b'x' * 10000)\n"
            "except ValueError as error:\n print(error)"
        )
        told = a_process(code, tmp_path / "a").communicate(timeout=300)[0]
        assert "File too large" in told
        assert os.listdir(tmp_path) == []


class TestRefuses:
    def test_a_folder_for_a_file_and_a_file_for_a_folder(self, tmp_path):
        (tmp_path / "file").write_text("x")
        with pytest.raises(InputError, match="is a folder, where a file is expected"), whole_file(tmp_path):
            pass
        with pytest.raises(InputError, match="is a file, where a folder is expected"), whole_folder(tmp_path / "file"):
            pass
        with pytest.raises(InputError, match="Cannot write"), whole_folder(tmp_path / "file" / "sub"):
            pass

    @pytest.mark.parametrize("name", ["nul\0byte", "x" * 5000])
    def test_names_that_no_file_can_have(self, name, tmp_path):
        for opened in (whole_file, whole_folder):
            with pytest.raises(InputError, match=r"cannot be used|Cannot write"), opened(tmp_path / name):
                pass
        assert os.listdir(tmp_path) == []

    @posix_only
    def test_devices_which_would_be_replaced(self):
        with pytest.raises(InputError, match="no ordinary file"), whole_file("/dev/null"):
            pass
        assert not Path("/dev/null").is_file()

    def test_a_missing_folder_for_a_single_file(self, tmp_path):
        with pytest.raises(InputError, match=r"there is no folder .*nowhere"):
            write_whole(tmp_path / "nowhere" / "a", "x")

    @pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="an administrator may write everywhere")
    def test_write_protected_files_and_folders(self, tmp_path):
        (tmp_path / "a").write_text("old")
        (tmp_path / "a").chmod(0o444)
        with pytest.raises(InputError, match="write-protected"):
            write_whole(tmp_path / "a", "new")
        (tmp_path / "folder").mkdir(mode=0o555)
        with pytest.raises(InputError, match="Permission denied"), whole_folder(tmp_path / "folder"):
            pass


@posix_only
class TestLinks:
    def test_are_followed_and_stay(self, tmp_path):
        (tmp_path / "there").mkdir()
        (tmp_path / "there" / "file").write_text("old")
        (tmp_path / "link").symlink_to(tmp_path / "there" / "file")
        (tmp_path / "folder").symlink_to("there")
        (tmp_path / "dangling").symlink_to(tmp_path / "there" / "fresh")
        write_whole(tmp_path / "link", "new")
        write_whole(tmp_path / "dangling", "fresh")
        with whole_folder(tmp_path / "folder") as stage:
            (stage / "more").write_text("more")
        assert contents(tmp_path / "there") == {"file": "new", "fresh": "fresh", "more": "more"}
        assert all((tmp_path / name).is_symlink() for name in ("link", "folder", "dangling"))
        assert real_place(tmp_path / "link") == tmp_path / "there" / "file"

    @pytest.mark.parametrize("fails", [False, True])
    def test_within_an_output_folder_are_followed_together_with_the_rest(self, fails, tmp_path, monkeypatch):
        (tmp_path / "web").mkdir()
        (tmp_path / "web" / "report").write_text("old")
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "report").symlink_to(tmp_path / "web" / "report")
        (tmp_path / "out" / "result").write_text("old")
        if fails:
            real = os.replace

            def replace(source: Path, target: Path) -> None:
                if Path(target).name == "result" and "old" not in Path(source).name:
                    raise OSError(errno.EIO, "broken")
                real(source, target)

            monkeypatch.setattr(module.os, "replace", replace)
        try:
            with whole_folder(tmp_path / "out") as stage:
                for name in ("report", "result"):
                    (stage / name).write_text("new")
        except InputError:
            assert fails
        now = "old" if fails else "new"
        assert (tmp_path / "out" / "report").is_symlink()
        assert contents(tmp_path) == {"web/report": now, "out/report": now, "out/result": now}

    def test_in_a_circle_or_to_nowhere_are_refused(self, tmp_path):
        (tmp_path / "a").symlink_to(tmp_path / "b")
        (tmp_path / "b").symlink_to(tmp_path / "a")
        (tmp_path / "lost").symlink_to(tmp_path / "no" / "folder" / "file")
        for opened in (whole_file, whole_folder):
            with pytest.raises(InputError, match="in a circle"), opened(tmp_path / "a"):
                pass
            with (
                pytest.raises(InputError, match=r"is a link to .*whose folder is not there"),
                opened(tmp_path / "lost"),
            ):
                pass


WORKS = (
    "import sys, time\n"
    "from SphericalRegLib.whole_file import whole_folder\n"
    "with whole_folder(sys.argv[1]) as stage:\n"
    " (stage / 'half').write_text('half')\n"
    " print('at work', flush=True)\n"
    " time.sleep(600)\n"
)


class TestLeftovers:
    def test_of_a_killed_run_are_swept_by_the_next_one_those_at_work_are_not(self, tmp_path):
        killed, at_work = a_process(WORKS, tmp_path), a_process(WORKS, tmp_path)
        try:
            assert [process.stdout.readline() for process in (killed, at_work)] == ["at work\n"] * 2
            assert len(list(tmp_path.glob(".unfinished-*"))) == 2
            killed.kill()
            killed.wait()
            (tmp_path / ".unfinished-notes.txt").write_text("of the user")
            write_whole(tmp_path / "a", "x")
            (stage,) = (path for path in tmp_path.glob(".unfinished-*") if path.is_dir())
            assert (stage / "files" / "half").read_text() == "half"
        finally:
            for process in (killed, at_work):
                process.kill()
                process.wait()
        write_whole(tmp_path / "a", "y")
        assert contents(tmp_path) == {"a": "y", ".unfinished-notes.txt": "of the user"}

    @pytest.mark.parametrize(("days", "stays"), [(1, True), (30, False)])
    def test_without_a_lock_are_swept_by_age(self, days, stays, tmp_path):
        stage = tmp_path / ".unfinished-abcd1234"
        stage.mkdir()
        then = time.time() - days * 86400
        os.utime(stage, (then, then))
        write_whole(tmp_path / "a", "x")
        assert stage.exists() == stays

    def test_without_locks_all_works_as_well(self, tmp_path, monkeypatch):
        def none(_: int) -> bool:
            raise NoLocksError(errno.ENOSYS, "no locks")

        monkeypatch.setattr(file_lock, "_locked", none)
        write_whole(tmp_path / "a", "x")
        assert os.listdir(tmp_path) == ["a"]


def test_two_runs_that_end_together_never_mix_their_files(tmp_path):
    code = (
        "import sys\n"
        "from SphericalRegLib.whole_file import whole_folder\n"
        "print(flush=True); sys.stdin.readline()\n"
        "for _ in range(5):\n"
        " with whole_folder(sys.argv[1]) as stage:\n"
        "  for n in range(12): (stage / str(n)).write_text(sys.argv[2])\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen([*command, name], **pipes) for name in ("one", "two")]
    for process in processes:
        process.stdout.readline()
    for process in processes:
        process.communicate("\n", timeout=300)
        assert process.returncode == 0
    assert len(set(contents(tmp_path).values())) == 1
    assert len(os.listdir(tmp_path)) == 12


class TestLock:
    def test_is_one_for_all_until_it_is_released(self, tmp_path):
        first = FileLock.take(tmp_path / "lock")
        assert first is not None
        assert FileLock.take(tmp_path / "lock") is None
        first.write("mine")
        assert (tmp_path / "lock").read_text() == "mine"
        first.release(delete=True)
        assert not (tmp_path / "lock").exists()
        again = FileLock.take(tmp_path / "lock")
        assert again is not None
        again.release()

    def test_ends_with_its_process(self, tmp_path):
        code = (
            "import sys, time, pathlib\nfrom SphericalRegLib.file_lock import FileLock\n"
            "lock = FileLock.take(pathlib.Path(sys.argv[1])); print(lock is not None, flush=True); time.sleep(600)"
        )
        process = a_process(code, tmp_path / "lock")
        assert process.stdout.readline() == "True\n"
        assert FileLock.take(tmp_path / "lock") is None
        process.kill()
        process.wait()
        assert FileLock.take(tmp_path / "lock") is not None
