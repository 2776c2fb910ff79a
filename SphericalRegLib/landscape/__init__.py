"""The cost of a similarity over two of the six pose parameters: computed, measured, drawn and saved."""

from SphericalRegLib.landscape.costs import (
    DISTANCES,
    ImageCosts,
    PoseCosts,
    PoseDistances,
    image_costs,
)
from SphericalRegLib.landscape.grid import PARAMETERS, Axis, Parameter, PoseGrid
from SphericalRegLib.landscape.statistics import Basin, Statistics, measure
from SphericalRegLib.landscape.survey import Landscape, Progress, Survey

__all__ = [
    "DISTANCES",
    "PARAMETERS",
    "Axis",
    "Basin",
    "ImageCosts",
    "Landscape",
    "Parameter",
    "PoseCosts",
    "PoseDistances",
    "PoseGrid",
    "Progress",
    "Statistics",
    "Survey",
    "image_costs",
    "measure",
]
