"""One training a folder."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from SphericalRegLib.errors import CheckpointError
from SphericalRegLib.training import folder_lock
from SphericalRegLib.training.folder import TrainingFolder

HOLDS = (
    "import sys, time\nfrom SphericalRegLib.training.folder import TrainingFolder\n"
    "folder = TrainingFolder(sys.argv[1], ['a']); folder.open({'plan': {}}); print('open', flush=True); time.sleep(600)"
)


def test_a_second_process_is_refused_until_the_first_has_ended_however(tmp_path):
    first = subprocess.Popen([sys.executable, "-c", HOLDS, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert first.stdout.readline() == "open\n"
        with pytest.raises(CheckpointError, match=rf"Another training is at work in .*\(process {first.pid} on "):
            TrainingFolder(tmp_path, ["a"]).open({"plan": {}})
        # of several processes of one training, only one opens the folder
        TrainingFolder(tmp_path, ["a"], writes=False).open({"plan": {}})
    finally:
        first.kill()
        first.wait()
    folder = TrainingFolder(tmp_path, ["a"])
    folder.open({"plan": {}})
    assert folder.is_locked
    # a notebook that begins anew
    TrainingFolder(tmp_path, ["a"]).open({"plan": {}})
    assert f"process {os.getpid()} on" in (tmp_path / "training.lock").read_text()


def test_where_there_are_no_locks_it_is_known(tmp_path, monkeypatch):
    def none(_):
        raise folder_lock.NoLocksError(38, "Function not implemented")

    monkeypatch.setattr(folder_lock.FileLock, "take", none)
    folder = TrainingFolder(tmp_path, ["a"])
    folder.open({"plan": {}})
    assert not folder.is_locked
