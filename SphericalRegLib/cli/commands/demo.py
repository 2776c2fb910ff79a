"""``sphericalreg demo``: the main job on the sample that comes with the project."""

from __future__ import annotations

from typing_extensions import Unpack

from SphericalRegLib.cli.commands.register import register
from SphericalRegLib.cli.running import Computing
from SphericalRegLib.sample import sample_path

SAMPLE = "pelvis_lumbar_3mm"


def demo(
    output: str = "demo-output",
    **options: Unpack[Computing],
) -> int:
    """Register the sample CT to the sample X-ray, from no pose at all: the shipped model tells where to start.

    Research software, not a medical device. The true pose, kept in a file apart, is used only to tell the error.

    Args:
        output: folder for result.json, report.html and the rest.
    """
    return register(
        ct=str(sample_path(f"{SAMPLE}.nii.gz")),
        xray=[str(sample_path(f"{SAMPLE}_ap.dcm"))],
        labels=str(sample_path(f"{SAMPLE}_labels.nii.gz")),
        label_names=str(sample_path(f"{SAMPLE}_labels.json")),
        truth=str(sample_path(f"{SAMPLE}_ap_truth.json")),
        model=str(sample_path(f"{SAMPLE}_model.safetensors")),
        output=output,
        **options,
    )
