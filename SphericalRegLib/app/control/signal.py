"""One thing that happens, and many that want to know of it: signals as in Qt, without Qt."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Generic, ParamSpec

P = ParamSpec("P")

_log = logging.getLogger(__name__)


class Signal(Generic[P]):
    """Calls every listener, in the order in which they came; one that raises harms neither the others nor the sender.

    Args:
        name: what happened, for the log where a listener fails.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._listeners: dict[int, Callable[P, object]] = {}
        self._next = 0

    def connect(self, listener: Callable[P, object]) -> Callable[[], None]:
        """Call ``listener`` each time from now on; returns a function that ends it, and may be called again."""
        key, self._next = self._next, self._next + 1
        self._listeners[key] = listener

        def disconnect() -> None:
            self._listeners.pop(key, None)

        return disconnect

    def emit(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Tell the listeners; one that another has just disconnected is not called any more."""
        for key in tuple(self._listeners):
            listener = self._listeners.get(key)
            if listener is None:
                continue
            try:
                listener(*args, **kwargs)
            except Exception:
                _log.exception("A listener failed on %s", self._name)
