"""What the tests of a busy machine run in a process of its own: registrations of the sample, and what they cost.

    python busy_machine.py [--torch-first] [--registrations N]

Prints JSON: processor seconds of each registration, its cost, and a digest of the last result's bits.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--torch-first", action="store_true")
    parser.add_argument("--registrations", type=int, default=1)
    options = parser.parse_args()
    if options.torch_first:
        import torch

        # its threads exist from now on
        torch.ones(2_000_000).exp().sum()
    print(json.dumps(_run(options.registrations)))


def _run(registrations: int) -> dict[str, object]:
    from SphericalRegLib.imaging.volume import to_volume
    from SphericalRegLib.io.ct import read_ct
    from SphericalRegLib.io.xray import read_xray
    from SphericalRegLib.registration import SYSTEMS, Case, register
    from SphericalRegLib.rendering import warm_up
    from SphericalRegLib.sample import sample_path

    volume = to_volume(read_ct(sample_path("pelvis_lumbar_3mm.nii.gz")))
    xray = read_xray(sample_path("pelvis_lumbar_3mm_ap.dcm"))
    case = Case(volume, [xray], preset="ap")
    warm_up(volume)
    seconds = []
    for _ in range(registrations):
        before = time.process_time()
        result = register(case, SYSTEMS["intensity"])
        seconds.append(time.process_time() - before)
    bits = result.pose.numpy().tobytes() + b"".join(view.drr.numpy().tobytes() for view in result.views)
    return {"seconds": seconds, "bits": hashlib.sha256(bits).hexdigest(), "cost": result.cost}


if __name__ == "__main__":
    main()
