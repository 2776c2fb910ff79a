"""Frames a second of the C-arm in 3D Slicer while one of its numbers changes, from the number to the picture in a view.

python Testing/Benchmarks/carm_frames.py

Each frame sets the C-arm's numbers, draws the DRR, puts it into the scene and renders a slice view off screen. Views
and scene are Slicer's own (extra "scene"); the application adds its sliders and the 3D view.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from SphericalRegLib.geometry.carm_setting import CArmSetting
from SphericalRegLib.io.ct import read_ct
from SphericalRegLib.sample import sample_path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ct", default=str(sample_path("pelvis_lumbar_3mm.nii.gz")))
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--json", action="store_true", help="the last line is JSON")
    options = parser.parse_args()

    from SphericalRegLib.scene import detector, drr_carm
    from SphericalRegLib.scene.overlay import align_slice, show_drr
    from SphericalRegLib.scene.session.carm_view import CArmLook, CArmView
    from SphericalRegLib.scene.session.converted_ct import ConvertedCT
    from Testing.Python.scene.builders import add_volume
    from Testing.Python.scene.views import OffScreen

    views = OffScreen((512, 512))
    scan = read_ct(options.ct)
    waiting: list[Any] = []
    converted = ConvertedCT()
    snapshot = SimpleNamespace(
        ct_volume=add_volume(views.scene, scan.hu, scan.world_from_voxel, "CT"),
        segmentation=None,
        segments=(),
        device="auto",
    )
    view = CArmView(views.scene, waiting.append, lambda function: None, converted)

    def draw(setting: CArmSetting) -> None:
        view.ask(snapshot, CArmLook(setting))  # type: ignore[arg-type]
        waiting.pop(0)()

    draw(CArmSetting())
    node = view.node
    show_drr(node, 0, views.slice_node, views.composite_node)
    times, sizes = [], []
    for frame in range(options.frames + 2):
        began = time.perf_counter()
        draw(replace(CArmSetting(), primary_deg=120.0 + frame, secondary_deg=0.3 * frame))
        align_slice(views.slice_node, drr_carm.drr_node(node), fit=False)
        views.slice_view.render()
        # the first ones load kernels
        if frame > 1:
            times.append(time.perf_counter() - began)
            sizes.append(max(detector.array_of(drr_carm.drr_node(node)).shape))
    told = {
        "voxels": list(scan.hu.shape),
        "pixels": [min(sizes), max(sizes)],
        "frames_per_second": round(len(times) / sum(times), 1),
        "median_ms": round(1e3 * statistics.median(times), 1),
        "worst_ms": round(1e3 * max(times), 1),
    }
    print(json.dumps(told) if options.json else "\n".join(f"{key}: {value}" for key, value in told.items()))


if __name__ == "__main__":
    main()
