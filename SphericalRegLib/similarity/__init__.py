"""Similarities between DRR and X-ray, each as a cost with its exact derivative.

Loaded when the first of them is asked for, so that their table can be read where torch is not there.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from SphericalRegLib.similarity.everything import *  # noqa: F403
else:

    def __getattr__(name):
        from importlib import import_module

        everything = import_module(f"{__name__}.everything")
        if name in ("__all__", *everything.__all__):
            return getattr(everything, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
