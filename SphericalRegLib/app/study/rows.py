"""The rows of the study's tables: a system, what it is trained by, and the small print that goes with it.

Small print says what is ours where a paper is silent (choice), and what is smaller here than published (reduced). It is
printed under every table that shows the row. Published figures stand beside ours in gray, with what they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from SphericalRegLib.errors import InputError

#: Of which table: one patient's networks, or networks of other patients.
Kind = Literal["specific", "agnostic"]


@dataclass(frozen=True)
class StudyRow:
    """One row.

    Attributes:
        name: as plans spell it.
        title: as tables show it.
        kind: of which table.
        system: in ``registration.SYSTEMS``.
        recipe: in :data:`~SphericalRegLib.app.study.recipes.RECIPES`; empty: nothing is trained.
        reference: of the method.
        notes: the small print.
        published: {data set: what the paper's table says of it}: below 1 mm, median, 75, 95 %, seconds.
    """

    name: str
    title: str
    kind: Kind
    system: str
    recipe: str = ""
    reference: str = ""
    notes: tuple[str, ...] = ()
    published: Mapping[str, str] = field(default_factory=dict)


_BY = "Chen and Kong, WACV 2026"
_REGRESSED = (
    "choice: the pose is regressed as a twist by a linear head, trained by the geodesic distance alone",
    "reduced: small images, minutes in place of hours",
)
_ENCODERS = (
    "choice: learnable scale of the gradient, features of an eighth of the image, 30 Levenberg-Marquardt steps",
    "reduced: small images, one or few CTs, minutes in place of hours",
)
_PAIRS = (
    "choice: AdamW in place of SGD with a cyclic rate, GroupNorm in place of BatchNorm",
    "choice: Adam in place of SGD under the network: trained by directions alone, it has no scale of steps",
    "reduced: no 3D network changes the CT before it is projected (in minutes of training one turned its sign)",
    "reduced: pairs seen are a few percent of those published",
)
_START = "choice: starts are uniform around the truth; the published distribution is not told"


def _row(name: str, title: str, kind: Kind, system: str, recipe: str = "", *notes: str, **rest: object) -> StudyRow:
    return StudyRow(name, title, kind, system, recipe, notes=notes, **rest)  # type: ignore[arg-type]


_SPECIFIC = (
    _row(
        "posenet", "PoseNet", "specific", "regressor-only", "regressor-posenet",
        "choice: the five convolutions of the 2017 network; reruns by others use ResNet34 with a dense layer",
        *_REGRESSED,
        reference="Bui et al., WACV 2017",
        published={"DeepFluoro": "4.3 % / 16.6 / 22.0 / 29.2 mm / 0.1 s", "CTSpine1K": "9.8 % / 11.7 / 17.2 / 24.5"},
    ),
    *(
        _row(
            name, f"{title} alone", "specific", "regressor-only", f"regressor-{name}",
            "the regressor of ours with this backbone, nothing aligned (Figure 4, left)", *_REGRESSED, reference=_BY,
        )
        for name, title in (("resnet18", "ResNet18"), ("convnext", "ConvNeXt"), ("swin", "Swin"))
    ),
    _row(
        "dflnet", "DFLNet", "specific", "dflnet", "heatmaps",
        "choice: heatmaps alone, as rerun by others: no segmentation, no refinement; peaks of likeness 0.8 count",
        "choice: 14 places of bone far from one another in place of landmarks, which this CT has not",
        "reduced: 4 levels from 8 channels, simulated X-rays (published: real ones), minutes in place of hours",
        reference="Grupp et al., IJCARS 2020",
        published={"DeepFluoro": "36.6 % / 3.20 / 7.29 / 13.1 mm / 1.0 s", "CTSpine1K": "28.4 % / 4.80 / 10.9 / 18.1"},
    ),
    _row(
        "scr-reg", "SCR-reg", "specific", "scr-reg", "coordinates",
        "choice: off bone softplus(−log σ); bone by density, not by labels; 400 pixels of each surface",
        "reduced: 4 levels from 8 channels (published: 5 from 64), minutes in place of hours",
        reference="Shrestha et al., MICCAI 2023",
        published={"DeepFluoro": "33.3 % / 4.70 / 9.59 / 12.8 mm / 1.1 s", "CTSpine1K": "22.2 % / 7.08 / 12.6 / 19.7"},
    ),
    _row(
        "diffpose", "DiffPose", "specific", "diffpose", "regressor-resnet18",
        "choice: no image term in the regressor's loss (published: + 1 − NCC of DRRs)",
        "reduced: refined at 128 pixels (published 256), in whole X-rays", *_REGRESSED,
        reference="Gopalakrishnan et al., CVPR 2024",
        published={"DeepFluoro": "83.1 % / 0.60 / 0.89 / 1.47 mm / 5.3 s", "CTSpine1K": "66.4 % / 0.77 / 1.51 / 3.39"},
    ),
    _row(
        "diffpose-lm", "DiffPose's cost, LM", "specific", "diffpose-lm", "regressor-resnet18",
        "exchange: DiffPose's start and cost, Levenberg-Marquardt in place of Adam; in no paper", *_REGRESSED,
    ),
    _row(
        "ours-se3", "ours, se(3)", "specific", "regressed-se3", "specific-se3", *_REGRESSED, *_ENCODERS,
        reference=_BY,
        published={"DeepFluoro": "82.8 % / 0.60 / 0.89 / 1.77 mm / 5.6 s", "CTSpine1K": "76.5 % / 0.65 / 0.97 / 2.11"},
    ),
    _row(
        "ours-so4", "ours, SO(4)", "specific", "regressed-so4", "specific-so4", *_REGRESSED, *_ENCODERS,
        reference=_BY,
        published={"DeepFluoro": "86.1 % / 0.51 / 0.85 / 1.42 mm / 6.2 s", "CTSpine1K": "80.6 % / 0.59 / 0.93 / 1.83"},
    ),
    _row(
        "default", "SphericalReg, default", "specific", "intensity", "",
        "the product's default without a model: a search by intensity, nothing learned",
    ),
)  # fmt: skip

_AGNOSTIC = (
    _row(
        "bobyqa", "BOBYQA", "agnostic", "bobyqa", "",
        "choice: half NCC, half NCC of patches; the published similarity is not told", _START,
        reference="Powell 2009",
        published={"CTSpine1K": "18.5 % / 5.01 / 8.02 / 32.4 mm / 22.3 s"},
    ),
    _row("bobyqa-gradients", "BOBYQA, gradients, 3 levels", "agnostic", "bobyqa-gradients", "",
         "exchange: another similarity and three resolutions", _START),
    _row("cma-es", "CMA-ES", "agnostic", "cma-es", "", "exchange: the same cost as BOBYQA at 128 pixels", _START,
         reference="Hansen 2016"),
    _row(
        "prost-m", "ProST-m", "agnostic", "prost-m", "prost-m",
        "choice: learning rates are ours, for our units", _START, *_PAIRS,
        reference="Gao et al., MICCAI 2020",
        published={"CTSpine1K": "37.6 % / 3.03 / 7.36 / 13.6 mm / 18.7 s"},
    ),
    _row(
        "prost-m-lm", "ProST-m's features, LM", "agnostic", "prost-m-lm", "prost-m",
        "exchange: the same network, Levenberg-Marquardt in place of first-order steps; in no paper", _START, *_PAIRS,
    ),
    _row(
        "prost-t", "ProST-t", "agnostic", "prost-t", "prost-t",
        "choice: the gradient's directions as loss; by the literal one minutes of training end at no gradient at all",
        "choice: the number is made positive; gradient correlation as second stage, as of ProST-m", _START, *_PAIRS,
        reference="Gao et al., IEEE TMI 2024",
        published={"CTSpine1K": "46.3 % / 2.03 / 9.56 / 20.4 mm / 13.2 s"},
    ),
    _row(
        "sopi", "SOPI (reduced), fine stage", "agnostic", "sopi", "sopi",
        "choice: the fine stage alone, from the start of all rows; no mask of bone",
        "reduced: a quarter of the widths; the published test script takes the nearer of start and end, ours does not",
        _START, *_PAIRS,
        reference="Chen et al., ICASSP 2024",
        published={"CTSpine1K": "43.8 % / 1.99 / 6.28 / 12.5 mm / 14.2 s"},
    ),
    _row(
        "cdreg", "CDreg (pooled head)", "agnostic", "cdreg", "cdreg",
        "reduced: perceptrons see the mean of each channel, ten thousand weights in place of 350 million",
        "choice: the decomposition loss is that of CDDFuse, beside the gradient's directions", _START, *_PAIRS,
        reference="Chen et al., ISBI 2024",
        published={"CTSpine1K": "50.1 % / 0.99 / 7.72 / 17.4 mm / 10.1 s"},
    ),
    _row(
        "se3", "ours, se(3)", "agnostic", "paper-se3", "se3", _START, *_ENCODERS,
        reference=_BY, published={"CTSpine1K": "53.1 % / 0.94 / 5.01 / 11.4 mm / 11.7 s"},
    ),
    _row(
        "so4", "ours, SO(4)", "agnostic", "paper-so4", "so4", _START, *_ENCODERS,
        reference=_BY, published={"CTSpine1K": "55.5 % / 0.90 / 4.85 / 11.9 mm / 12.5 s"},
    ),
    _row("hyperbolic", "ours, SO(4), hyperbolic", "agnostic", "paper-so4", "hyperbolic", _START, *_ENCODERS,
         reference=_BY, published={"CTSpine1K": "51.3 %, mTRE 3.5 ± 4.3 mm"}),
    _row("euclidean", "ours, SO(4), Euclidean", "agnostic", "paper-so4", "euclidean", _START, *_ENCODERS,
         reference=_BY, published={"CTSpine1K": "52.8 %, mTRE 3.2 ± 3.9 mm"}),
    _row("without-psi", "ours, SO(4), without Ψ", "agnostic", "paper-so4", "without-psi", _START, *_ENCODERS,
         reference=_BY, published={"CTSpine1K": "48.2 %, mTRE 5.3 ± 6.7 mm"}),
    _row("plain-psi", "ours, SO(4), plain 3D CNN", "agnostic", "paper-so4", "plain-psi", _START, *_ENCODERS,
         reference=_BY, published={"CTSpine1K": "49.9 %, mTRE 3.6 ± 4.4 mm"}),
    _row("own", "SphericalReg's similarity, LM", "agnostic", "learned-similarity", "own",
         "one encoder for both images, loss of the gradient's directions, no Ψ", _START),
    _row("own-sgd", "SphericalReg's similarity, SGD", "agnostic", "learned-sgd", "own",
         "exchange: gradient descent in place of Levenberg-Marquardt; in no paper", _START),
    _row("own-then-intensity", "SphericalReg's similarity, then intensity", "agnostic", "learned-one-start", "own",
         "the learned similarity from one start, then the product's last stages", _START),
    _row("intensity", "SphericalReg, one start", "agnostic", "one-start", "",
         "the product's stages from the given start, nothing learned, no search", _START),
)  # fmt: skip

#: By name, in the order in which tables show them.
ROWS: dict[str, StudyRow] = {row.name: row for row in (*_SPECIFIC, *_AGNOSTIC)}

#: Methods of the paper's tables that this study does not have, and why; printed under the tables.
MISSING: dict[Kind, tuple[str, ...]] = {
    "specific": ("PSSS-reg is not implemented here.",),
    "agnostic": ("SOPI's initializer is not implemented here.",),
}


def row_named(name: str, kind: Kind) -> StudyRow:
    """A row of a table.

    Raises:
        InputError: for one that there is not, or that is of the other kind of table.
    """
    if name not in ROWS or ROWS[name].kind != kind:
        there = ", ".join(row.name for row in ROWS.values() if row.kind == kind)
        raise InputError(f"There is no {kind} row {name!r}: choose from {there}.")
    return ROWS[name]
