"""Kernels compile where nothing but the temporary folder can be written to."""

from __future__ import annotations

import os
import stat

import numba
import pytest

from SphericalRegLib import compilation


@pytest.fixture
def nothing_writable(tmp_path, monkeypatch):
    """A temporary folder, and neither numba's own nor the user's cache."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    monkeypatch.setattr(compilation, "_writable", lambda folder: False)
    monkeypatch.setattr(compilation.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(compilation.tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_a_private_folder_is_used_where_nothing_else_is_writable(nothing_writable):
    compilation.ensure_cache_folder(__file__)
    first = numba.config.CACHE_DIR
    assert os.path.dirname(first) == str(nothing_writable)
    assert stat.S_IMODE(os.stat(first).st_mode) & 0o077 == 0
    numba.config.CACHE_DIR = ""
    compilation.ensure_cache_folder(__file__)
    assert first == numba.config.CACHE_DIR


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="no owners on this system")
def test_a_folder_that_others_can_write_to_is_not_trusted(nothing_writable):
    compilation.ensure_cache_folder(__file__)
    planted = numba.config.CACHE_DIR
    os.chmod(planted, 0o777)
    numba.config.CACHE_DIR = ""
    compilation.ensure_cache_folder(__file__)
    assert planted != numba.config.CACHE_DIR


def test_a_choice_or_a_writable_folder_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    compilation.ensure_cache_folder(str(tmp_path / "module.py"))
    assert numba.config.CACHE_DIR == ""
    monkeypatch.setattr(numba.config, "CACHE_DIR", "/chosen")
    compilation.ensure_cache_folder("/nowhere/module.py")
    assert numba.config.CACHE_DIR == "/chosen"
