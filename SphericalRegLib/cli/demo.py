"""``sphericalreg demo``: the main job on the sample that comes with the project."""

from __future__ import annotations

from SphericalRegLib.cli.device import DeviceName
from SphericalRegLib.cli.register import register
from SphericalRegLib.sample import sample_path

SAMPLE = "pelvis_lumbar_3mm"


def demo(output: str = "demo-output", device: DeviceName = "auto", quiet: bool = False, verbose: bool = False) -> int:
    """Register the sample CT to the sample X-ray, from where its DICOM header says that the C-arm stands.

    Research software, not a medical device. The header's AP angles are nominal: the true pose, kept in a file apart,
    is several degrees and tens of mm away, and is used only to tell the error.

    Args:
        output: folder for result.json, report.html and the rest.
        device: what computes.
        quiet: no messages.
        verbose: more messages, and tracebacks.
    """
    return register(
        ct=str(sample_path(f"{SAMPLE}.nii.gz")),
        xray=[str(sample_path(f"{SAMPLE}_ap.dcm"))],
        labels=str(sample_path(f"{SAMPLE}_labels.nii.gz")),
        label_names=str(sample_path(f"{SAMPLE}_labels.json")),
        truth=str(sample_path(f"{SAMPLE}_ap_truth.json")),
        output=output,
        device=device,
        quiet=quiet,
        verbose=verbose,
    )
