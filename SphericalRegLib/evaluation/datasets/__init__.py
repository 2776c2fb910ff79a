"""Data sets of others as one kind of thing: patients with a CT, points, and X-rays whose true pose is known."""

from SphericalRegLib.evaluation.datasets.contract import Dataset, Frame, Subject
from SphericalRegLib.evaluation.datasets.table import DATASETS, open_dataset

__all__ = ["DATASETS", "Dataset", "Frame", "Subject", "open_dataset"]
