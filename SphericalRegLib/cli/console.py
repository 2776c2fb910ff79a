"""What a command says while it works."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tqdm import tqdm


@dataclass(frozen=True)
class Console:
    """Messages and progress bars go to stderr; results to stdout.

    Attributes:
        quiet: no messages and no bars.
        verbose: more messages; errors come with their traceback.
    """

    quiet: bool = False
    verbose: bool = False

    def say(self, message: str) -> None:
        """One line about what goes on."""
        if not self.quiet:
            print(message, file=sys.stderr)

    def detail(self, message: str) -> None:
        """One line for those who asked for more."""
        if self.verbose and not self.quiet:
            print(message, file=sys.stderr)

    @contextmanager
    def bar(self, description: str, total: int | None, unit: str) -> Iterator[tqdm]:
        """A progress bar; none when quiet or where nobody watches."""
        with tqdm(
            total=total, desc=description, unit=unit, leave=False, disable=True if self.quiet else None
        ) as progress:
            yield progress
