"""The report of one registration: a single HTML file with all pictures in it, and the files beside it."""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from SphericalRegLib.errors import InputError
from SphericalRegLib.evaluation import figures
from SphericalRegLib.evaluation.outcome import DISCLAIMER, Outcome
from SphericalRegLib.evaluation.pose_errors import DESCRIPTIONS
from SphericalRegLib.evaluation.report_style import STYLE
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.imaging.attenuation import linear_attenuation
from SphericalRegLib.imaging.picture import to_gray, write_image
from SphericalRegLib.imaging.transform_file import write_transform
from SphericalRegLib.imaging.xray import XRay
from SphericalRegLib.rendering import render

Picture: TypeAlias = NDArray[np.float32]

_BONE_HU = 150.0
# A DRR of chosen bones covers less of the picture than this.
_SMALL_SHARE = 0.4


def write_outputs(folder: Path, outcome: Outcome, volume: Volume, kernel: str = "auto") -> None:
    """Write result.json, pose.tfm, drr.png, drr.nrrd (one of each for every X-ray) and report.html.

    Args:
        folder: that exists.
        outcome: of the registration.
        volume: that was registered.
        kernel: of the renderer.

    Raises:
        InputError: where something cannot be written.
    """
    drrs, bones = [], []
    skeleton = only_bone(volume)
    for index, xray in enumerate(outcome.xrays):
        at_result = drr_images(volume, xray, outcome.result.pose[None], kernel)[0]
        drrs.append(at_result)
        bones.append(drr_images(skeleton, xray, torch.stack([outcome.result.pose, outcome.starts[0]]), kernel))
        name = "drr" if len(outcome.xrays) == 1 else f"drr_{index + 1}"
        for suffix in (".png", ".nrrd"):
            write_image(folder / f"{name}{suffix}", at_result, xray.view.spacing)
    write_transform(folder / "pose.tfm", outcome.result.pose)
    try:
        (folder / "result.json").write_text(outcome.to_json(), encoding="utf-8")
        (folder / "report.html").write_text(report_html(outcome, drrs, bones), encoding="utf-8")
    except OSError as error:
        raise InputError(f"Cannot write to {folder}: {error.strerror or error}. Choose another place.") from None


def drr_images(volume: Volume, xray: XRay, poses: Tensor, kernel: str = "auto") -> list[Picture]:
    """DRRs (H, W) at poses (B, 4, 4), at the X-ray's own resolution, all channels together."""
    samples = min(512, 2 * max(volume.density.shape[1:]))
    with torch.no_grad():
        images = render(volume, xray.view, poses.to(torch.float64), samples=samples, kernel=kernel)
    return [image.sum(dim=0).to("cpu", torch.float32).numpy() for image in images]


def only_bone(volume: Volume) -> Volume:
    """What the volume attenuates beyond soft tissue, for drawing bones' contours; all of it where there is no bone."""
    threshold = float(linear_attenuation(np.array([_BONE_HU], np.float32))[0])
    density = (volume.density - threshold).clamp(min=0)
    return replace(volume, density=density) if bool((density > 0).any()) else volume


def report_html(outcome: Outcome, drrs: list[Picture], bones: list[list[Picture]]) -> str:
    """The whole page.

    Args:
        outcome: of the registration.
        drrs: (H, W) at the result, one for each X-ray.
        bones: DRRs (H, W) of the bones at the result and at the first start, likewise.
    """
    views = zip(outcome.xrays, drrs, bones, strict=True)
    parts = [
        _headline(outcome),
        *(_pictures(index, xray, drr, pair) for index, (xray, drr, pair) in enumerate(views)),
        _errors(outcome),
        _uncertainty(outcome),
        "<h2>Cost curve</h2><p>Each stage works at its own resolution and with its own measure of similarity: the cost "
        f"falls within a stage, a jump between two says nothing.</p>{_embedded(outcome.result, 'cost curve')}",
        _facts("X-rays, CT and settings", _settings(outcome)),
        _facts("Versions", outcome.versions),
    ]
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>SphericalReg report</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head>'
        f'<body><p class="notice">{DISCLAIMER}</p>{"".join(parts)}<p class="notice">{DISCLAIMER}</p></body></html>\n'
    )


def _headline(outcome: Outcome) -> str:
    result, verdict = outcome.result, outcome.result.verdict
    explained = 100 * (1 - result.verdict_cost)
    if verdict.accepted:
        words = (
            f"The CT at this pose explains {explained:.0f} % of the structure that it shares with the X-ray, and no "
            "check failed. Look at the pictures before you rely on it."
        )
    else:
        words = "Do not use this pose. " + " ".join(verdict.reasons)
    words = " ".join([words, *outcome.cautions])
    numbers = {
        "structure explained": f"{explained:.1f} %",
        "depth uncertainty": f"± {result.depth_sd_mm:.2f} mm",
        "time": f"{result.seconds:.2f} s",
    }
    if outcome.errors is not None:
        numbers = {"true error (mTRE)": f"{outcome.errors['mtre_mm']:.2f} mm"} | numbers
    cards = "".join(f"<div><b>{value}</b>{name}</div>" for name, value in numbers.items())
    kind, title = ("good", "Accepted") if verdict.accepted else ("bad", "Rejected")
    return (
        f'<h1>2D/3D registration</h1><div class="verdict {kind}"><strong>{title}</strong><p>{html.escape(words)}</p>'
        f'</div><div class="cards">{cards}</div>'
    )


def _pictures(index: int, xray: XRay, drr: Picture, bones: list[Picture]) -> str:
    matched = figures.enlarged(figures.matched_tone(drr, xray.image, xray.mask))
    image, drr, bone, bone_before = (figures.enlarged(one) for one in (xray.image, drr, *bones))
    mask = figures.enlarged(xray.mask.astype(np.float32)) > 0.5
    covered = drr > 1e-3 * float(drr.max())
    mask_and_body = mask & covered
    gray = to_gray(image, mask)
    # one window for both: a checkerboard of two windows would show seams where there are none
    low, high = (float(v) for v in np.percentile(image[mask] if mask.any() else image, [0.5, 99.5]))
    drr_gray = np.round(255 * np.clip((matched - low) / max(high - low, 1e-12), 0, 1)).astype(np.uint8)
    if covered.mean() < _SMALL_SHARE:
        # one bone alone: around it the X-ray goes on, since an empty DRR there says nothing
        drr_gray = np.where(covered, drr_gray, gray)
    percent = 100 * figures.DIFFERENCE_RANGE
    shown = {
        "X-ray|as read: bright is dense": gray,
        "DRR|the CT projected at the result": to_gray(drr),
        "Before: overlay at the start|contours of the CT's bones in orange": figures.edge_overlay(
            gray, bone_before, True
        ),
        "After: overlay at the result|contours in green: they should lie on the X-ray's edges": figures.edge_overlay(
            gray, bone
        ),
        "Checkerboard|X-ray at the upper left, then DRR in turn: edges should run on; black: not usable": (
            figures.checkerboard(gray, drr_gray, mask)
        ),
        f"Difference|red: X-ray denser; blue: DRR denser; pale: agree (full color: {percent:.0f} % of the X-ray's "
        "contrast); gray: not compared": figures.difference(image, matched, mask_and_body),
    }
    cells = "".join(_figure(title, picture) for title, picture in shown.items())
    name = html.escape(Path(xray.path).name or xray.view.name)
    return f"<h2>View {index + 1}: {name}</h2><div class='grid'>{cells}</div>"


def _figure(title: str, pixels: NDArray[np.uint8]) -> str:
    name, explanation = title.split("|")
    blue_first = pixels if pixels.ndim == 2 else np.ascontiguousarray(pixels[..., ::-1])
    data = base64.b64encode(cv2.imencode(".jpg", blue_first, [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes()).decode()
    return (
        f'<figure><img alt="{name}" src="data:image/jpeg;base64,{data}">'
        f"<figcaption><b>{name}</b> {explanation}</figcaption></figure>"
    )


def _embedded(result: Any, alt: str) -> str:
    data = base64.b64encode(figures.cost_curve(result.history)).decode()
    return f'<img class="wide" alt="{alt}" src="data:image/png;base64,{data}">'


def _errors(outcome: Outcome) -> str:
    if outcome.errors is None:
        return "<h2>Errors</h2><p>The true pose is not known, so no error can be given: judge by the pictures.</p>"
    start = outcome.start_errors or {}
    rows = "".join(
        f"<tr><td>{DESCRIPTIONS[key]}</td><td>{_number(start.get(key))}</td><td><b>{_number(value)}</b></td>"
        f"<td>{'°' if key.endswith('_deg') else 'mm'}</td></tr>"
        for key, value in outcome.errors.items()
    )
    return (
        "<h2>Errors against the true pose</h2><table><tr><th>error</th><th>start</th><th>result</th><th></th></tr>"
        f"{rows}</table>"
    )


def _uncertainty(outcome: Outcome) -> str:
    rotation, translation = outcome.standard_deviations
    rows = "".join(
        f"<tr><td>{axis}</td><td>± {_number(degrees)}°</td><td>± {_number(mm)} mm</td></tr>"
        for axis, degrees, mm in zip(
            ("x, along the image's columns", "y, along its rows", "z, along the beam (depth)"),
            rotation,
            translation,
            strict=True,
        )
    )
    depth = outcome.result.depth_sd_mm
    views = "One X-ray sees depth least well" if len(outcome.xrays) == 1 else "Several views fix depth together"
    return (
        "<h2>Uncertainty of the pose</h2>"
        f"<p>{views}: here its standard deviation is ± {_number(depth)} mm, from noise alone. Errors of the "
        "calibration, of the CT and a wrong optimum are not in it.</p>"
        f"<table><tr><th>axis</th><th>rotation about it</th><th>translation along it</th></tr>{rows}</table>"
    )


def _settings(outcome: Outcome) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for index, xray in enumerate(outcome.xrays):
        view = xray.view
        facts[f"X-ray {index + 1}"] = (
            f"{xray.path}, {view.height} × {view.width} px of {view.spacing[0]:.3f} × {view.spacing[1]:.3f} mm, "
            f"source to detector {view.sdd:.0f} mm"
            + (f", to isocenter {view.sad:.0f} mm" if view.sad is not None else "")
            + f"; {100 * xray.mask.mean():.0f} % of it usable; {xray.conversion}"
        )
    return facts | {f"CT {name}": value for name, value in outcome.ct.items()} | dict(outcome.settings)


def _facts(title: str, facts: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><td>{html.escape(str(key).replace('_', ' '))}</td><td>{html.escape(_plain(value))}</td></tr>"
        for key, value in facts.items()
    )
    return f"<details><summary>{title}</summary><table class='facts'>{rows}</table></details>"


def _plain(value: Any) -> str:
    """Lists of numbers as sizes, lists of words as sentences."""
    if isinstance(value, list):
        return (" × " if all(isinstance(item, int | float) for item in value) else "; ").join(str(v) for v in value)
    return "none" if value is None else str(value)


def _number(value: float | None) -> str:
    return "—" if value is None else f"{value:.3g}" if abs(value) < 1 else f"{value:.2f}"
