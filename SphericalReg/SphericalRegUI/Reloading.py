"""Reload takes the panel's files and the whole library anew, not SphericalReg.py alone."""

import importlib
import sys

_PACKAGES = ("SphericalRegUI", "SphericalRegLib")


def forgetPackages():
    """Let Python import the panel and the library from their files again; returns the names that were forgotten."""
    names = [name for name in sys.modules if name.partition(".")[0] in _PACKAGES]
    for name in names:
        del sys.modules[name]
    importlib.invalidate_caches()
    return names
