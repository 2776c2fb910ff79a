"""The module's folder on the path, as Slicer puts it there."""

import sys
from pathlib import Path

import pytest

import SphericalRegLib

MODULE = Path(SphericalRegLib.__file__).resolve().parents[1] / "SphericalReg"


@pytest.fixture(autouse=True)
def module_on_the_path(monkeypatch):
    """So that SphericalRegUI can be imported."""
    monkeypatch.syspath_prepend(str(MODULE))
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "SphericalRegUI"]:
        del sys.modules[name]
