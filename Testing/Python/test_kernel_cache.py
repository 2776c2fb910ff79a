"""Compiled kernels on disk: what is damaged, foreign or cannot be written is compiled anew; nothing else happens."""

from __future__ import annotations

import errno
import importlib.util
import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numba
import pytest

from SphericalRegLib import kernel_cache

SOURCE = """
from SphericalRegLib.compilation import compiled, inlined


@inlined()
def half(x):
    return 0.5 * x


@compiled
def kernel(x):
    return half(x) + 1.0
"""


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Import a module with a kernel, as a new process would."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "cache"))
    source = tmp_path / "small_kernel.py"
    source.write_text(SOURCE)

    def load_module():
        specification = importlib.util.spec_from_file_location("small_kernel", source)
        module = importlib.util.module_from_spec(specification)
        specification.loader.exec_module(module)
        return module.kernel

    return load_module


def files(tmp_path: Path) -> list[Path]:
    return sorted(path for path in (tmp_path / "cache").rglob("*") if path.is_file())


def hits(kernel) -> int:
    return sum(kernel.stats.cache_hits.values())


def test_a_kept_kernel_is_loaded(load, tmp_path):
    assert load()(4.0) == 3.0
    assert len(files(tmp_path)) == 1
    second = load()
    assert second(4.0) == 3.0
    assert hits(second) == 1


DAMAGES = {
    "empty": lambda content: b"",
    "garbage": lambda content: b"\x00\xff garbage" * 100,
    "cut in the head": lambda content: content[:30],
    "cut in the middle": lambda content: content[: len(content) // 2],
    "one byte short": lambda content: content[:-1],
    "longer": lambda content: content + b"x",
    "one bit of machine code": lambda content: (
        content[: len(content) // 2] + bytes([content[len(content) // 2] ^ 1]) + content[len(content) // 2 + 1 :]
    ),
    "whole, but no pickle": lambda content: whole(b"no pickle"),
    "whole, of another making": lambda content: whole(b"cno_such_module\nname\n."),
}


def whole(payload: bytes) -> bytes:
    return kernel_cache._MAGIC + kernel_cache.hashlib.sha256(payload).digest() + payload


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_kernel_is_compiled_anew_and_mended(damage, load, tmp_path, caplog):
    load()(4.0)
    (file,) = files(tmp_path)
    content = file.read_bytes()
    file.write_bytes(damage(content))
    second = load()
    assert second(4.0) == 3.0
    assert hits(second) == 0
    assert [record.getMessage() for record in caplog.records] == [
        f"The compiled kernel {file} is damaged: it is deleted and compiled anew."
    ]
    third = load()
    assert third(4.0) == 3.0
    assert hits(third) == 1


def test_a_folder_in_the_place_of_a_kernel_stops_nothing(load, tmp_path, caplog):
    load()(4.0)
    (file,) = files(tmp_path)
    file.unlink()
    file.mkdir()
    assert load()(4.0) == 3.0
    assert "compiled anew" in caplog.text


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="no owners on this system")
def test_a_kernel_that_others_can_write_is_not_executed(load, tmp_path, caplog):
    load()(4.0)
    (file,) = files(tmp_path)
    file.chmod(0o666)
    second = load()
    assert second(4.0) == 3.0
    assert hits(second) == 0
    assert "others can write to it" in caplog.text
    # it was replaced
    assert not files(tmp_path)[0].stat().st_mode & stat.S_IWOTH


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() == 0, reason="the administrator may read everything")
def test_an_unreadable_kernel_is_replaced(load, tmp_path):
    load()(4.0)
    files(tmp_path)[0].chmod(0)
    assert load()(4.0) == 3.0
    third = load()
    third(4.0)
    assert hits(third) == 1


def test_a_full_disk_stops_nothing_and_leaves_nothing(load, tmp_path, monkeypatch, caplog):
    def full(source, target):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(kernel_cache.os, "replace", full)
    assert load()(4.0) == 3.0
    assert files(tmp_path) == []
    assert "later runs compile it again" in caplog.text


def test_a_place_that_cannot_be_made_stops_nothing(load, tmp_path):
    (tmp_path / "cache").write_text("a file")
    assert load()(4.0) == 3.0


@pytest.mark.parametrize("place", [".", "deeper"])
def test_a_change_of_any_source_beside_or_below_it_makes_a_kernel_old(place, load, tmp_path):
    load()(4.0)
    (old,) = files(tmp_path)
    (tmp_path / place).mkdir(exist_ok=True)
    (tmp_path / place / "helper.py").write_text("changed = True\n")
    second = load()
    assert second(4.0) == 3.0
    assert hits(second) == 0
    (new,) = files(tmp_path)
    assert new != old


def test_processes_may_fill_one_folder_at_the_same_time(load, tmp_path):
    code = "import small_kernel; print(small_kernel.kernel(4.0), small_kernel.kernel(4))"
    environment = os.environ | {
        "NUMBA_CACHE_DIR": str(tmp_path / "cache"),
        "PYTHONPATH": os.pathsep.join([str(tmp_path), os.getcwd(), *sys.path]),
    }

    def run(_: int) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", code]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    with ThreadPoolExecutor(3) as pool:
        for ended in (*pool.map(run, range(3)), run(3)):
            assert (ended.returncode, ended.stdout, ended.stderr) == (0, "3.0 3.0\n", "")
    assert len(files(tmp_path)) == 2
