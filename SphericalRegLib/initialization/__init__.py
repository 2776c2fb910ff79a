"""Where a registration starts: initializers, and the case that they start from."""

from SphericalRegLib.initialization.angles import Angles
from SphericalRegLib.initialization.case import Case, Conditions, Marks, Uncertainty
from SphericalRegLib.initialization.contract import Initializer, Starts, starts_of
from SphericalRegLib.initialization.from_landmarks import FromLandmarks
from SphericalRegLib.initialization.given import Given
from SphericalRegLib.initialization.known import Known
from SphericalRegLib.initialization.opposite import OppositeSide
from SphericalRegLib.initialization.regressed import Regressed
from SphericalRegLib.initialization.search import SearchRange
from SphericalRegLib.initialization.wide_search import Search

__all__ = [
    "Angles",
    "Case",
    "Conditions",
    "FromLandmarks",
    "Given",
    "Initializer",
    "Known",
    "Marks",
    "OppositeSide",
    "Regressed",
    "Search",
    "SearchRange",
    "Starts",
    "Uncertainty",
    "starts_of",
]
