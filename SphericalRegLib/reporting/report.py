"""The report of one registration: a single HTML file with all pictures in it, and the files beside it."""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from SphericalRegLib.evaluation.pose_errors import DESCRIPTIONS
from SphericalRegLib.geometry.tolerance import in_words
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.imaging.skeleton import beyond
from SphericalRegLib.imaging.xray import XRay
from SphericalRegLib.io.picture import to_gray, write_image
from SphericalRegLib.io.transform_file import write_transform
from SphericalRegLib.rendering import render
from SphericalRegLib.reporting import fading, figures
from SphericalRegLib.reporting.landmark_errors import MEASURES
from SphericalRegLib.reporting.outcome import DISCLAIMER, Outcome, as_json
from SphericalRegLib.reporting.report_style import STYLE
from SphericalRegLib.whole_file import write_whole

Picture: TypeAlias = NDArray[np.float32]

#: The verdict of a pose whose depth alone is doubtful.
PLANE_ONLY = "accepted in the plane only"

_BONE_HU = 150.0
# A DRR of chosen bones covers less of the picture than this.
_SMALL_SHARE = 0.4


@dataclass(frozen=True)
class Record:
    """A registration as it was kept, by :class:`~SphericalRegLib.reporting.outcome.Outcome` or by a scene.

    Attributes:
        content: what ``result.json`` holds; where it has "landmarks", the report has a table of their errors.
        xrays: the views, in its order.
        costs: of every iteration its stage and cost.
    """

    content: Mapping[str, Any]
    xrays: Sequence[XRay]
    costs: Sequence[tuple[str, float]]

    @property
    def pose(self) -> Tensor:
        """(4, 4) rig_from_world of the result."""
        return torch.tensor(self.content["pose_rig_from_world_ras_mm"], dtype=torch.float64)

    @property
    def start(self) -> Tensor:
        """(4, 4) rig_from_world that was tried first."""
        return torch.tensor(self.content["start_poses_rig_from_world_ras_mm"][0], dtype=torch.float64)


def write_outputs(folder: Path, outcome: Outcome, volume: Volume, kernel: str = "auto") -> None:
    """The same as :func:`write_record`, of a registration that has just ended."""
    costs = [(step.stage, step.cost) for step in outcome.result.history]
    write_record(folder, Record(outcome.content(), outcome.xrays, costs), volume, kernel)


def write_record(folder: Path, record: Record, volume: Volume, kernel: str = "auto") -> None:
    """Write result.json, pose.tfm, drr.png, drr.nrrd (one of each for every X-ray) and report.html.

    Args:
        folder: that exists.
        record: of the registration.
        volume: that was registered.
        kernel: of the renderer.

    Raises:
        InputError: where something cannot be written.
    """
    drrs, bones = [], []
    skeleton = only_bone(volume)
    for index, xray in enumerate(record.xrays):
        at_result = drr_images(volume, xray, record.pose[None], kernel)[0]
        drrs.append(at_result)
        bones.append(drr_images(skeleton, xray, torch.stack([record.pose, record.start]), kernel))
        name = "drr" if len(record.xrays) == 1 else f"drr_{index + 1}"
        for suffix in (".png", ".nrrd"):
            write_image(folder / f"{name}{suffix}", at_result, xray.view.spacing)
    write_transform(folder / "pose.tfm", record.pose)
    write_whole(folder / "result.json", as_json(record.content))
    write_whole(folder / "report.html", report_html(record, drrs, bones))


def drr_images(volume: Volume, xray: XRay, poses: Tensor, kernel: str = "auto") -> list[Picture]:
    """DRRs (H, W) at poses (B, 4, 4), at the X-ray's own resolution, all channels together."""
    samples = min(512, 2 * max(volume.density.shape[1:]))
    with torch.no_grad():
        images = render(volume, xray.view, poses.to(torch.float64), samples=samples, kernel=kernel)
    return [image.sum(dim=0).to("cpu", torch.float32).numpy() for image in images]


def only_bone(volume: Volume) -> Volume:
    """What the volume attenuates beyond soft tissue, for drawing bones' contours; all of it where there is no bone."""
    bone = beyond(volume, _BONE_HU)
    return volume if bone is None else bone


def report_html(record: Record, drrs: list[Picture], bones: list[list[Picture]]) -> str:
    """The whole page.

    Args:
        record: of the registration.
        drrs: (H, W) at the result, one for each X-ray.
        bones: DRRs (H, W) of the bones at the result and at the first start, likewise.
    """
    views = zip(record.xrays, drrs, bones, strict=True)
    parts = [
        _headline(record.content),
        fading.CHOICE,
        *(_pictures(index, xray, drr, pair) for index, (xray, drr, pair) in enumerate(views)),
        _errors(record.content),
        _landmarks(record.content),
        _uncertainty(record.content),
        "<h2>Cost curve</h2><p>Each stage works at its own resolution and with its own measure of similarity: the cost "
        f"falls within a stage, a jump between two says nothing.</p>{_embedded(record.costs, 'cost curve')}",
        _facts("X-rays, CT and settings", _settings(record)),
        _facts("Versions", record.content["versions"]),
    ]
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>SphericalReg report</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{STYLE}\n{fading.STYLE}</style></head>"
        f'<body><p class="notice">{DISCLAIMER}</p>{"".join(parts)}<p class="notice">{DISCLAIMER}</p>'
        f"<script>{fading.SCRIPT}</script></body></html>\n"
    )


def _headline(content: Mapping[str, Any]) -> str:
    cost = content["verdict_cost"]
    explained = "—" if cost is None else f"{100 * (1 - cost):.1f}"
    if content["accepted"]:
        words = (
            f"The CT at this pose explains {explained} % of the structure that it shares with the X-ray, "
            "and no check failed. Look at the pictures before you rely on it."
        )
    elif _verdict(content) == PLANE_ONLY:
        words = "Use rotation and place in the image's plane only, not depth. " + " ".join(content["reasons"])
    else:
        words = "Do not use this pose. " + " ".join(content["reasons"])
    words = " ".join([words, *content["cautions"]])
    numbers = {
        "structure explained": f"{explained} %",
        **_intervals(content),
        "time": f"{content['seconds']:.2f} s",
    }
    if "errors" in content:
        numbers = {"true error (mTRE)": f"{_number(content['errors']['mtre_mm'])} mm"} | numbers
    cards = "".join(f"<div><b>{value}</b>{name}</div>" for name, value in numbers.items())
    title = _verdict(content).capitalize()
    kind = {"Accepted": "good", "Rejected": "bad"}.get(title, "partly")
    return (
        f'<h1>2D/3D registration</h1><div class="verdict {kind}"><strong>{title}</strong><p>{html.escape(words)}</p>'
        f'</div><div class="cards">{cards}</div>'
    )


def _verdict(content: Mapping[str, Any]) -> str:
    """In words; records of former versions know only accepted or not."""
    words: str = content.get("verdict", "accepted" if content["accepted"] else "rejected")
    return words


def _intervals(content: Mapping[str, Any]) -> dict[str, str]:
    """What is known of each direction; of records of former versions, what their noise told."""
    known = content.get("half_widths_95")
    if known is None:
        return {"depth uncertainty (noise)": f"± {_number(content['depth_sd_mm'])} mm"}

    def shown(name: str, unit: str) -> str:
        return "not known" if known[name] is None else f"± {_number(known[name])}{unit}"

    return {
        "rotation (95 %)": shown("rotation_deg", "°"),
        "in the plane (95 %)": shown("plane_mm", " mm"),
        "depth (95 %)": shown("depth_mm", " mm"),
    }


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
        f"X-ray|as read: bright is dense; {_left_out(xray)}": figures.unused_hatched(gray, mask),
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
    heading = f"<h2>View {index + 1}: {name}</h2>"
    return f'<section class="view">{heading}{fading.FADING}<div class="grid">{cells}</div></section>'


def _left_out(xray: XRay) -> str:
    """In words, how much of an X-ray is not compared."""
    share = 100 * float(1 - xray.mask.mean())
    return "all of it is compared" if share == 0 else f"hatched red: {share:.0f} % that are not compared"


def _figure(title: str, pixels: NDArray[np.uint8]) -> str:
    name, explanation = title.split("|")
    blue_first = pixels if pixels.ndim == 2 else np.ascontiguousarray(pixels[..., ::-1])
    data = base64.b64encode(cv2.imencode(".jpg", blue_first, [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes()).decode()
    return (
        f'<figure><img alt="{name}" src="data:image/jpeg;base64,{data}">'
        f"<figcaption><b>{name}</b> {explanation}</figcaption></figure>"
    )


def _embedded(costs: Sequence[tuple[str, float]], alt: str) -> str:
    data = base64.b64encode(figures.cost_curve(costs)).decode()
    return f'<img class="wide" alt="{alt}" src="data:image/png;base64,{data}">'


def _errors(content: Mapping[str, Any]) -> str:
    if "errors" not in content:
        return "<h2>Errors</h2><p>The true pose is not known, so no error can be given: judge by the pictures.</p>"
    start = content["start_errors"]
    rows = "".join(
        f"<tr><td>{DESCRIPTIONS[key]}</td><td>{_number(start.get(key))}</td><td><b>{_number(value)}</b></td>"
        f"<td>{'°' if key.endswith('_deg') else 'mm'}</td></tr>"
        for key, value in content["errors"].items()
    )
    return (
        "<h2>Errors against the true pose</h2><table><tr><th>error</th><th>start</th><th>result</th><th></th></tr>"
        f"{rows}</table>"
    )


def _landmarks(content: Mapping[str, Any]) -> str:
    """Errors of each landmark in each view; columns of which nothing is known are left out."""
    landmarks = content.get("landmarks")
    if not landmarks:
        return ""
    known = [key for key in MEASURES if any(row[key] is not None for row in landmarks)]
    heads = "".join(f"<th>{MEASURES[key][0]}, mm</th>" for key in known)
    rows = "".join(
        f"<tr><td>{html.escape(row['name'])}</td><td>{row['view'] + 1}</td>"
        + "".join(f"<td>{_number(row[key])}</td>" for key in known)
        + "</tr>"
        for row in landmarks
    )
    means = content["landmark_errors_mm"]
    mean = "".join(f"<td><b>{_number(means.get(key))}</b></td>" for key in known)
    return (
        f"<h2>Landmarks</h2><table><tr><th>landmark</th><th>view</th>{heads}</tr>{rows}"
        f"<tr><td><b>mean</b></td><td></td>{mean}</tr></table>"
    )


def _uncertainty(content: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><td>{axis}</td><td>± {_number(degrees)}°</td><td>± {_number(mm)} mm</td></tr>"
        for axis, degrees, mm in zip(
            ("x, along the image's columns", "y, along its rows", "z, along the beam (depth)"),
            content["rotation_sd_deg"],
            content["translation_sd_mm"],
            strict=True,
        )
    )
    one = len(content["xrays"]) == 1
    views = "One X-ray sees depth least well" if one else "Several views fix depth together"
    depth = "" if content.get("depth_known", True) else ": of a bone alone it is not known from one"
    return (
        "<h2>Uncertainty of the pose</h2>"
        f"<p>{views}{depth}. {_known(content)}The table has standard deviations from noise alone.</p>"
        f"<table><tr><th>axis</th><th>rotation about it</th><th>translation along it</th></tr>{rows}</table>"
    )


def _known(content: Mapping[str, Any]) -> str:
    if "half_widths_95" not in content:
        return ""
    told = "; ".join(f"{name} {value}" for name, value in _intervals(content).items())
    return (
        f"{told}: within so much of the truth in 95 of 100 cases, by "
        f"{content.get('half_widths_from', 'simulated clinical X-rays of other patients')}, where the X-ray's geometry "
        "is known as well as the table says. A wrong optimum is not in it. "
    )


def _settings(record: Record) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for index, xray in enumerate(record.xrays):
        view = xray.view
        facts[f"X-ray {index + 1}"] = (
            f"{xray.path}, {view.height} × {view.width} px of {view.spacing[0]:.3f} × {view.spacing[1]:.3f} mm, "
            f"source to detector {view.sdd:.0f} mm"
            + (f", to isocenter {view.sad:.0f} mm" if view.sad is not None else "")
            + f", {in_words(view.tolerance)}"
            + f"; {100 * xray.mask.mean():.0f} % of it usable; {xray.conversion}"
        )
    about = {f"CT {name}": value for name, value in record.content["ct"].items()}
    return facts | about | dict(record.content["settings"])


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
