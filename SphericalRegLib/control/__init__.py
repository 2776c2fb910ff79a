"""What stands between a user interface and the engine: state machine, child processes, coalescing; no Qt, no MRML.

Nothing here imports torch at file scope, so that a panel can load, and say what is missing, before torch is installed.
"""

from SphericalRegLib.control.controller import Controller
from SphericalRegLib.control.events import Cancelled, Event, Failed, Finished, Progressed, StateChanged
from SphericalRegLib.control.failure import Failure
from SphericalRegLib.control.job import Job
from SphericalRegLib.control.latest_wins import LatestWins
from SphericalRegLib.control.state import BusyError, State

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
    "Progressed",
    "State",
    "StateChanged",
]
