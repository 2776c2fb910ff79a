"""Time of the DRR that follows while the pose is dragged in 3D Slicer: the whole CT, and its bones for the edges.

python Testing/Benchmarks/live_drr.py
"""

from __future__ import annotations

import argparse
import json
import statistics
import time

from SphericalRegLib.app.panel.live_drr import LiveDRR
from SphericalRegLib.evaluation.cases import capture_view
from SphericalRegLib.geometry.carm import pose_from_preset
from SphericalRegLib.imaging.volume import to_volume
from SphericalRegLib.io.ct import read_ct
from SphericalRegLib.sample import sample_path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ct", default=str(sample_path("pelvis_lumbar_3mm.nii.gz")))
    parser.add_argument("--size", type=int, default=256, help="pixels along each side")
    parser.add_argument("--repeats", type=int, default=25)
    parser.add_argument("--json", action="store_true", help="the last line is JSON")
    options = parser.parse_args()
    volume, view = to_volume(read_ct(options.ct)), capture_view(options.size)
    live = LiveDRR(volume, [view], options.size)
    assert view.sad is not None
    pose = pose_from_preset("AP", view.sad, volume.center)
    told = {"voxels": list(volume.density.shape[1:])}
    for name, draw in (("drr_ms", live.render), ("bones_ms", live.render_bones)):
        times = []
        for repeat in range(options.repeats + 2):
            began = time.perf_counter()
            draw(pose)
            # the first one compiles
            if repeat > 1:
                times.append(1e3 * (time.perf_counter() - began))
        told[name], told[f"{name}_worst"] = round(statistics.median(times), 1), round(max(times), 1)
    print(json.dumps(told) if options.json else "\n".join(f"{key}: {value}" for key, value in told.items()))


if __name__ == "__main__":
    main()
