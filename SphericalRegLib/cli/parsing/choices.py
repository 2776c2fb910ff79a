"""Names that options take, out of the tables: a new similarity or optimizer is offered by every command at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from SphericalRegLib.evaluation.datasets.table import DATASETS
from SphericalRegLib.evaluation.suites import SUITES, VIEW_SETS
from SphericalRegLib.optimization.table import OPTIMIZERS
from SphericalRegLib.similarity.table import SIMILARITIES
from SphericalRegLib.simulation.levels import LEVELS

if TYPE_CHECKING:
    SimilarityName = str
    OptimizerName = str
    SuiteName = str
    LevelName = str
    ViewSetName = str
    DatasetName = str
else:
    SimilarityName = Literal[tuple(SIMILARITIES)]
    OptimizerName = Literal[tuple(OPTIMIZERS)]
    SuiteName = Literal[tuple(SUITES)]
    LevelName = Literal[tuple(LEVELS)]
    ViewSetName = Literal[tuple(VIEW_SETS)]
    DatasetName = Literal[("auto", *DATASETS)]
