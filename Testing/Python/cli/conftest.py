"""A small X-ray of the sample CT, simulated once by the command line itself."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from SphericalRegLib.cli.main import main
from SphericalRegLib.sample import sample_path


class Case(NamedTuple):
    """Files of one registration."""

    ct: str
    xray: str
    truth: str


@pytest.fixture(scope="session")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    folder = tmp_path_factory.mktemp("case")
    files = Case(str(sample_path("pelvis_lumbar_3mm.nii.gz")), str(folder / "xray.dcm"), str(folder / "truth.json"))
    place = ["--size", "128", "128", "--spacing", "3.2", "3.2", "--quiet"]
    offset = ["--rotation-deg", "4", "-3", "2", "--translation-mm", "10", "-8", "20"]
    assert main(["simulate", files.ct, "-o", files.xray, "--truth", files.truth, *place, *offset]) == 0
    assert {file.name for file in Path(files.xray).parent.iterdir()} == {"xray.dcm", "truth.json"}
    return files
