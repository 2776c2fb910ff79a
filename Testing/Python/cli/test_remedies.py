"""What the library's errors advise exists on the command line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from SphericalRegLib.cli.commands.register import register
from SphericalRegLib.cli.main import main
from SphericalRegLib.cli.parsing.options import options_of
from SphericalRegLib.cli.process.remedies import in_options


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("pass rescale=(1, -1024) (slope, intercept), or", "pass --ct_rescale 1 -1024 (slope, intercept), or"),
        ("pass units='hu'.", "pass --ct_units hu."),
        ("pass spacing=(i, j, k) in mm", "pass --ct_spacing I J K in mm"),
        ("Pass downsample=3 (block", "Pass --downsample 3 (block"),
        ("raise max_voxels=400000000.", "raise --max_voxels 400000000."),
        ("pass channel=0 to channel=2 to", "pass --channel 0 to --channel 2 to"),
        ("choose one with frame=0 to frame=9.", "choose one with --frame 0 to --frame 9."),
        ("on cuda: use kernel='torch'.", "on cuda: use --kernel torch."),
        ("its view, or sdd= (source-to-detector)", "its view, or --sdd (source-to-detector)"),
    ],
)
def test_keywords_become_options_that_exist(said: str, shown: str) -> None:
    assert in_options(said) == shown
    for option in re.findall(r"--(\w+)", shown):
        assert option in options_of(register)


def test_a_ct_that_is_not_in_hu_can_be_registered_as_its_error_advises(
    case: Any, tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    import SimpleITK

    image = SimpleITK.Cast(SimpleITK.ReadImage(case.ct), SimpleITK.sitkFloat32) + 1024
    SimpleITK.WriteImage(
        SimpleITK.Cast(SimpleITK.Clamp(image, SimpleITK.sitkFloat32, 0, 6000), SimpleITK.sitkUInt16),
        str(tmp_path / "shifted.nrrd"),
    )
    arguments = ["register", "--ct", str(tmp_path / "shifted.nrrd"), "--xray", case.xray, "--truth", case.truth]
    arguments += ["--output", str(tmp_path / "out"), "--quiet"]
    assert main(arguments) == 2
    assert "--ct_rescale 1 -1024" in capsys.readouterr().err
    assert main([*arguments, "--ct_rescale", "1", "-1024"]) == 0


def test_a_file_may_be_called_like_a_number(case: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "00000001").write_bytes(Path(case.xray).read_bytes())
    monkeypatch.chdir(tmp_path)
    assert main(["register", "--ct", case.ct, "--xray", "00000001", "--output", "out", "--quiet"]) == 0
