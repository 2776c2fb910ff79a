"""A study on a Ray cluster of two nodes: the same figures to the bit, also where a node is lost in mid-run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from SphericalRegLib.app.jobs.study_job import StudyJob
from SphericalRegLib.app.study.plan import StudyPlan, read_plan
from SphericalRegLib.errors import InputError
from SphericalRegLib.evaluation.study.engines import Engine, LocalEngine
from SphericalRegLib.evaluation.study.ray_engine import RayEngine
from SphericalRegLib.threads import get_threads, set_threads

pytest.importorskip("ray")

CASES = 16
CONTENT = {
    "data": {"pelvis": {"ct": "sample:pelvis_lumbar_3mm.nii.gz", "downsample": 4}},
    "budget": {"steps": 3, "pixels": 32, "batch": 2},
    "sanity_cases": 1,
    "tables": [
        {"title": "T", "kind": "specific", "test": "pelvis", "suite": "blind", "cases": CASES, "rows": ["posenet"]},
    ],
}


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    import ray

    # by default Ray's workers yield to all others, and on a busy machine never come to work
    monkeypatch.setenv("RAY_worker_niceness", "0")
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    yield made
    ray.shutdown()
    made.shutdown()


@pytest.fixture
def plan(tmp_path: Path) -> StudyPlan:
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(CONTENT))
    return read_plan(str(path))


@pytest.fixture
def one_thread() -> Iterator[None]:
    before = get_threads()
    set_threads(1)
    yield
    set_threads(before)


def figures(plan: StudyPlan, folder: Path, engine: Engine, after: Any = None) -> list:
    job = StudyJob(plan, folder, engine)
    for number, _ in enumerate(job):
        if after is not None:
            after(number)
    (table,) = job.result().tables
    return [replace(row, seconds=0.0) for row in table.rows[0].reports[0].rows]


@pytest.mark.usefixtures("one_thread")
def test_a_node_that_is_lost_costs_nothing_but_time(plan: StudyPlan, cluster: Any, tmp_path: Path) -> None:
    node = cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    lost = []

    def lose(step: int) -> None:
        # trained, and some cases done: both nodes are at work
        if step == 6:
            cluster.remove_node(node, allow_graceful=False)
            lost.append(step)

    engine = RayEngine(cluster.address, shard=2)
    found = figures(plan, tmp_path / "ray", engine, lose)
    assert lost
    assert [row.index for row in found] == list(range(CASES))
    assert found == figures(plan, tmp_path / "local", LocalEngine(1))


def test_a_cluster_that_there_is_not_is_named(plan: StudyPlan, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"There is no Ray cluster at 127\.0\.0\.1:1"):
        figures(plan, tmp_path / "none", RayEngine("127.0.0.1:1"))
