"""Warnings that libraries give to programmers: they must not bury what a command tells its user."""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections.abc import Iterator


@contextlib.contextmanager
def kept_back(verbose: bool) -> Iterator[None]:
    """Within it, warnings of pydicom, numpy, torch and the like are shown only to those who asked for more.

    What a user must know is said by our own messages. ``python -W`` and PYTHONWARNINGS still rule.
    """
    with warnings.catch_warnings():
        if not verbose and not sys.warnoptions:
            warnings.simplefilter("ignore")
        yield
