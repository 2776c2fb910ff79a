"""What stands between a user interface and the engine: runs, signals, child processes, coalescing; no Qt, no MRML.

Nothing here imports torch at file scope, so that a panel can load, and say what is missing, before torch is installed.
"""

from SphericalRegLib.app.control.controller import Controller
from SphericalRegLib.app.control.events import Cancelled, Event, Failed, Finished, Progressed, StateChanged
from SphericalRegLib.app.control.failure import Failure
from SphericalRegLib.app.control.latest_wins import LatestWins
from SphericalRegLib.app.control.signal import Signal
from SphericalRegLib.app.control.state import BusyError, State
from SphericalRegLib.app.jobs.job import Job
from SphericalRegLib.app.jobs.steps import Message

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
