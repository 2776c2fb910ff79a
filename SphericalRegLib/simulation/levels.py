"""How hard a simulated X-ray is: levels by name, each a way to draw what is wrong with an X-ray system and a patient.

``mild`` is a good system in front of a patient who lies as in the CT. ``clinical`` is what leaves an operating room or
a radiography suite on most days. ``harsh`` is the worst that a user would still expect to work. Where a number has a
source, the class that takes it names it: :class:`~SphericalRegLib.simulation.system.scatter.Scatter`,
:class:`~SphericalRegLib.simulation.system.transfer.Glare`, :class:`~SphericalRegLib.simulation.system.beam.Beam`,
:class:`~SphericalRegLib.simulation.system.exposure.Exposure`,
:class:`~SphericalRegLib.simulation.system.display.Display`,
:class:`~SphericalRegLib.simulation.anatomy.soft_tissue.SoftTissue`,
:func:`~SphericalRegLib.simulation.anatomy.table.random_table`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry.view import View
from SphericalRegLib.imaging.ct import CT
from SphericalRegLib.simulation.anatomy.soft_tissue import SoftTissue
from SphericalRegLib.simulation.anatomy.table import random_table
from SphericalRegLib.simulation.degrade import Degradations, random_degradations, random_instruments
from SphericalRegLib.simulation.system.beam import Beam
from SphericalRegLib.simulation.system.collimators import random_collimator
from SphericalRegLib.simulation.system.display import Curve, Display, Gamma, Piecewise, Sigmoid
from SphericalRegLib.simulation.system.exposure import Exposure
from SphericalRegLib.simulation.system.markers import random_marker, random_text
from SphericalRegLib.simulation.system.scatter import Scatter
from SphericalRegLib.simulation.system.transfer import Glare

Range = tuple[float, float]

# The voxels that an X-ray is made from, mm: half of a coarse CT's, and no finer than time allows.
_VOXEL_MM = 1.5


@dataclass(frozen=True)
class Level:
    """One level.

    Attributes:
        name: of the level.
        title: in words.
        draw: (rng, view, ct, occluder) to what is simulated; the same state of ``rng`` gives the same.
    """

    name: str
    title: str
    draw: Callable[[np.random.Generator, View, CT, bool], Degradations]


@dataclass(frozen=True)
class Ranges:
    """What a level draws from, uniformly where nothing else is said.

    Attributes:
        quanta: per mm² behind the patient (log-uniform).
        level: of the exposure, fraction of full scale behind the patient (log-uniform).
        electronic_noise: quanta.
        scatter_ratio: scatter over primary.
        glare: share.
        vignette: lost at the corner.
        corrected: how much of heel effect and vignette the flat field undoes.
        residue: of the flat field.
        gamma: exponents of a gamma curve.
        slope: of an S curve.
        knot: how far a knot of a piecewise curve lies off the diagonal.
        clip_air, clip_dense: fractions that the window burns out.
        sharpening: amount of unsharp masking, in half of the X-rays.
        open_share, closing, turned_deg: of :func:`random_collimator`.
        leakage: of the collimator.
        table: probability of a table in the beam.
        shift_mm: of soft tissue.
        ramp_mm: from bone to where it moves freely.
        gas: the most pockets.
        gas_removed: probability.
    """

    quanta: Range
    level: Range
    electronic_noise: Range
    scatter_ratio: Range
    glare: Range
    vignette: Range
    corrected: Range
    residue: Range
    gamma: Range
    slope: Range
    knot: float
    clip_air: Range
    clip_dense: Range
    sharpening: Range
    open_share: float
    closing: float
    turned_deg: float
    leakage: Range
    table: float
    shift_mm: Range
    ramp_mm: float
    gas: int
    gas_removed: float

    def draw(self, rng: np.random.Generator, view: View, ct: CT, occluder: bool) -> Degradations:
        """What is wrong with one X-ray.

        Args:
            rng: the source of chance.
            view: the X-ray's geometry, which instruments and letters are sized to.
            ct: the patient, for where the table is.
            occluder: whether an opaque rectangle and one to three wires or screws lie in the beam.
        """

        def uniform(span: Range) -> float:
            return float(rng.uniform(*span))

        def logarithmic(span: Range) -> float:
            return float(np.exp(rng.uniform(*np.log(span))))

        thin = uniform((12, 25))
        kind = rng.random()
        raw = kind < 0.15
        collimation = random_collimator(rng, self.open_share, self.closing, self.turned_deg)
        instruments = random_instruments(rng, view) if occluder else ()
        if rng.random() < 0.4:
            instruments = (*instruments, *random_marker(rng, view))
        return Degradations(
            kvp=uniform((60, 120)),
            exposure=Exposure(logarithmic(self.quanta), logarithmic(self.level)),
            electronic_noise=uniform(self.electronic_noise),
            focal_spot_mm=uniform((0.3, 1.5)),
            mtf_half=uniform((0.8, 1.6)),
            blur_sigma_px=uniform((0.2, 0.7)),
            scatter=Scatter(
                ratio=uniform(self.scatter_ratio),
                thin_mm=thin,
                thick_mm=thin * uniform((1.4, 2.6)),
                tail=uniform((0.1, 0.4)),
                tail_factor=uniform((2, 3)),
                exponent=uniform((0.8, 1.2)),
            ),
            glare=Glare(uniform(self.glare), uniform((15, 50))),
            beam=Beam(
                anode_deg=uniform((9, 16)),
                anode_depth=uniform((0.005, 0.03)),
                toward_deg=float(rng.choice([0, 90, 180, 270]) + rng.normal(0, 3)),
                vignette=uniform(self.vignette),
                corrected=uniform(self.corrected),
                residue=uniform(self.residue),
                residue_mm=uniform((15, 80)),
                seed=int(rng.integers(2**31)),
            ),
            # a few systems display the intensity itself
            log_output=kind >= 0.3,
            display=None if raw else self._display(rng, collimation is not None, logarithmic=kind >= 0.3),
            bits=int(rng.choice([12, 16])) if raw else int(rng.choice([8, 10, 12, 16], p=[0.35, 0.15, 0.35, 0.15])),
            collimation=collimation,
            collimator_edge_mm=uniform((0.3, 3.0)),
            collimator_leakage=uniform(self.leakage),
            instruments=instruments,
            lettering=random_text(rng, view) if rng.random() < 0.2 else (),
            slabs=random_table(rng, ct.hu, ct.world_from_voxel) if rng.random() < self.table else (),
            soft_tissue=SoftTissue(
                shift_mm=uniform(self.shift_mm),
                correlation_mm=uniform((50, 100)),
                ramp_mm=self.ramp_mm,
                gas=int(rng.integers(self.gas + 1)),
                gas_removed=uniform((0, self.gas_removed)),
                seed=int(rng.integers(2**31)),
            ),
            voxel_mm=_VOXEL_MM,
        )

    def _display(self, rng: np.random.Generator, collimated: bool, logarithmic: bool) -> Display:
        shutter: Literal["black", "white"] | None = None
        if collimated and rng.random() < 0.4:
            shutter = "black" if rng.random() < 0.75 else "white"
        return Display(
            curve=self._curve(rng, logarithmic),
            clip_air=float(rng.uniform(*self.clip_air)),
            clip_dense=float(rng.uniform(*self.clip_dense)),
            # a window over air and body alike shows nothing of a body's intensities
            of_patient=not logarithmic or bool(rng.random() < 0.5),
            bone_bright=bool(rng.random() < 0.5),
            sharpening=float(rng.uniform(*self.sharpening)) if rng.random() < 0.5 else 0.0,
            sharpening_mm=float(rng.uniform(1, 8)),
            shutter=shutter,
        )

    def _curve(self, rng: np.random.Generator, logarithmic: bool) -> Curve:
        kind = rng.random()
        if not logarithmic:
            # monitors and cameras lift the dark end, or nothing would be seen there
            return Gamma(float(rng.uniform(0.35, 0.7)))
        if kind < 0.35:
            return Gamma(float(np.exp(rng.uniform(*np.log(self.gamma)))))
        if kind < 0.75:
            return Sigmoid(float(rng.uniform(*self.slope)), float(rng.uniform(0.4, 0.6)))
        x = np.sort(rng.uniform(0.2, 0.8, 2)) + (-0.1, 0.1)
        y = np.clip(x + rng.uniform(-self.knot, self.knot, 2), 0.05, 0.95)
        y = np.array([min(y[0], 0.85), max(y[1], min(y[0], 0.85) + 0.08)])
        return Piecewise(((float(x[0]), float(y[0])), (float(x[1]), float(y[1]))))


CLINICAL = Ranges(
    quanta=(500, 3e4),
    level=(0.08, 0.35),
    electronic_noise=(2, 12),
    scatter_ratio=(0.15, 1.0),
    glare=(0.01, 0.1),
    vignette=(0, 0.12),
    corrected=(0.5, 1),
    residue=(0.002, 0.01),
    gamma=(0.65, 1.5),
    slope=(2, 6),
    knot=0.12,
    clip_air=(0, 0.02),
    clip_dense=(0, 0.01),
    sharpening=(0.1, 0.5),
    open_share=0.4,
    closing=0.12,
    turned_deg=15,
    leakage=(0, 0.001),
    table=0.7,
    shift_mm=(1, 8),
    ramp_mm=25,
    gas=3,
    gas_removed=0.5,
)

HARSH = Ranges(
    quanta=(300, 5e3),
    level=(0.05, 0.6),
    electronic_noise=(5, 25),
    scatter_ratio=(0.5, 1.2),
    glare=(0.05, 0.2),
    vignette=(0.05, 0.25),
    corrected=(0, 1),
    residue=(0.005, 0.03),
    gamma=(0.5, 2),
    slope=(4, 9),
    knot=0.2,
    clip_air=(0, 0.08),
    clip_dense=(0, 0.04),
    sharpening=(0.3, 1),
    open_share=0.2,
    closing=0.2,
    turned_deg=45,
    leakage=(0, 0.004),
    table=0.85,
    shift_mm=(5, 14),
    ramp_mm=40,
    gas=6,
    gas_removed=0.8,
)


def _mild(rng: np.random.Generator, view: View, ct: CT, occluder: bool) -> Degradations:
    return random_degradations(rng, view, occluder)


#: By name.
LEVELS: dict[str, Level] = {
    level.name: level
    for level in (
        Level("mild", "a good system, the patient as in the CT", _mild),
        Level("clinical", "what leaves an operating room on most days", CLINICAL.draw),
        Level("harsh", "the worst that would still be used", HARSH.draw),
    )
}


def level_named(name: str) -> Level:
    """A level by its name.

    Raises:
        InputError: for one that there is not.
    """
    if name not in LEVELS:
        raise InputError(f"There is no level {name!r}: choose from {', '.join(LEVELS)}.")
    return LEVELS[name]
