"""Stopping long work between two steps, where nothing is half done."""

from __future__ import annotations

import signal
import sys
import threading
import time
from types import FrameType, TracebackType
from typing import Any

import torch
import torch.distributed as dist

from SphericalRegLib.cli.process.signals import INTERRUPTED, SAME_REQUEST_S, stop_signals


class StopRequest:
    """Within it, signals that ask to stop only set a mark; a second one is handled as without it.

    Outside of the main thread signals cannot be caught, and nothing is changed.

    Args:
        until_input_ends: the end of standard input asks as well. It comes when whoever started this process closes the
            pipe, which works where there are no signals that only ask (Windows), or is gone.

    Attributes:
        asked: whether to stop.
        code: to exit with then.
    """

    def __init__(self, until_input_ends: bool = False) -> None:
        self.asked = False
        self.code = INTERRUPTED
        self._before: dict[signal.Signals, Any] = {}
        self._first = 0.0
        self._until_input_ends = until_input_ends

    def __enter__(self) -> StopRequest:
        if self._until_input_ends:
            threading.Thread(target=self._wait_for_end_of_input, daemon=True).start()
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._ask) for number in stop_signals()}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def agreed(self, device: str) -> bool:
        """Whether this process, or any other one that works on the same, was asked; all of them must call it.

        One that stopped alone would leave the others waiting for its gradients.
        """
        if not (dist.is_available() and dist.is_initialized()):
            return self.asked
        asked = torch.tensor([float(self.asked)], device=device)
        dist.all_reduce(asked, op=dist.ReduceOp.MAX)
        return bool(asked.item())

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if not self.asked:
            self.asked, self.code, self._first = True, 128 + number, time.monotonic()
        elif time.monotonic() - self._first > SAME_REQUEST_S:
            before = self._before[signal.Signals(number)]
            if callable(before):
                before(number, frame)
            else:
                raise KeyboardInterrupt

    def _wait_for_end_of_input(self) -> None:
        sys.stdin.buffer.read()
        self.asked = True
