"""What stands between a user interface and the engine: runs, signals, child processes, coalescing; no Qt, no MRML.

Nothing here imports torch at file scope, so that a panel can load, and say what is missing, before torch is installed.
"""

from SphericalRegLib.app.controller import Controller
from SphericalRegLib.app.events import Cancelled, Event, Failed, Finished, Progressed, StateChanged
from SphericalRegLib.app.failure import Failure
from SphericalRegLib.app.job import Job
from SphericalRegLib.app.latest_wins import LatestWins
from SphericalRegLib.app.signal import Signal
from SphericalRegLib.app.state import BusyError, State
from SphericalRegLib.app.steps import Message

__all__ = [
    "BusyError",
    "Cancelled",
    "Controller",
    "Event",
    "Failed",
    "Failure",
    "Finished",
    "Job",
    "LatestWins",
    "Message",
    "Progressed",
    "Signal",
    "State",
    "StateChanged",
]
