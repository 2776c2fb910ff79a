"""Choices that belong to others: a true pose to its X-ray and CT, a model to its CT."""

from __future__ import annotations

from collections.abc import Sequence


class MadeFor:
    """Notices where a choice has outlived what it was made for. Texts stand for what is chosen, None for nothing."""

    def __init__(self) -> None:
        self._choice: str | None = None
        self._owners: tuple[str | None, ...] = ()

    def lost(self, choice: str | None, owners: Sequence[str | None]) -> bool:
        """Whether one of the owners has been changed to another one since the choice was made.

        An owner that was chosen only after it belongs to it too; one that is not chosen at the moment still does.
        """
        if choice != self._choice or len(owners) != len(self._owners):
            self._choice, self._owners = choice, tuple(owners)
            return False
        pairs = list(zip(self._owners, owners, strict=True))
        if choice is not None and any(then and now and then != now for then, now in pairs):
            self.forget()
            return True
        self._owners = tuple(now or then for then, now in pairs)
        return False

    def forget(self) -> None:
        """Another scene: what is chosen there belongs together."""
        self._choice, self._owners = None, ()
