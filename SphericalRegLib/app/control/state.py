"""The states of a controller, and the error of asking for a run in the wrong one."""

from __future__ import annotations

from enum import Enum

from SphericalRegLib.errors import SphericalRegError


class State(Enum):
    """What a controller is doing.

    A run goes idle (or failed) → preparing → running → idle. From preparing and running it may go to cancelling, and
    from there to idle; from each of the three to failed.
    """

    IDLE = "idle"
    PREPARING = "preparing"
    RUNNING = "running"
    CANCELLING = "cancelling"
    FAILED = "failed"

    @property
    def busy(self) -> bool:
        """Whether a run is under way."""
        return self in (State.PREPARING, State.RUNNING, State.CANCELLING)


#: What may follow what.
TRANSITIONS: dict[State, frozenset[State]] = {
    State.IDLE: frozenset({State.PREPARING}),
    State.PREPARING: frozenset({State.RUNNING, State.CANCELLING, State.FAILED, State.IDLE}),
    State.RUNNING: frozenset({State.CANCELLING, State.FAILED, State.IDLE}),
    State.CANCELLING: frozenset({State.FAILED, State.IDLE}),
    State.FAILED: frozenset({State.PREPARING, State.IDLE}),
}


class BusyError(SphericalRegError, RuntimeError):
    """A run was asked for while another is under way."""
