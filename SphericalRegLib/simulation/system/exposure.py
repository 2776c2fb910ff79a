"""Automatic exposure control: so many quanta behind the patient, and a gain that makes them a certain gray."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from SphericalRegLib.errors import InputError

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Exposure:
    """What a system regulates, in the middle (median) of what lies behind the patient.

    A micro-gray is about 30,000 quanta per mm² (IEC 62220-1, beam quality RQA5). Fluoroscopy takes 10 to 100 nGy for a
    frame, digital spot images 0.5 to 2 µGy, radiographs 2 to 5 µGy: 300 to 150,000 quanta per mm². Air then is 10 to
    1000 times as bright as the anatomy and often saturates. From memory, not checked.

    Attributes:
        quanta_per_mm2: that reach the detector.
        level: fraction of the detector's full scale.
    """

    quanta_per_mm2: float
    level: float = 0.2

    def __post_init__(self) -> None:
        if not 0 < self.quanta_per_mm2 < float("inf"):
            raise InputError(f"An exposure has a number of quanta above 0, not {self.quanta_per_mm2}.")
        if not 0 < self.level <= 1:
            raise InputError(f"An exposure's level is a fraction of full scale, 0 to 1, not {self.level}.")


def behind(values: FloatArray, shadow: NDArray[np.bool_]) -> float:
    """The median behind the patient; of the whole image where nothing is."""
    return float(np.median(values[shadow] if shadow.any() else values))
