"""What a checkpoint says of itself is believed only as far as it can be."""

import json
import os
import sys

import pytest
import torch

from SphericalRegLib.checkpoint_header import ForeignCheckpointError, NewerCheckpointError, check_card, read_header
from SphericalRegLib.errors import CheckpointError
from SphericalRegLib.networks.checkpoint import save_checkpoint
from SphericalRegLib.sample import sample_path

SAMPLE = "pelvis_lumbar_3mm_model.safetensors"


def with_header(path, text: str | bytes, length: int | None = None):
    header = text.encode() if isinstance(text, str) else text
    path.write_bytes((len(header) if length is None else length).to_bytes(8, "little") + header)
    return path


def ours(**header: object) -> str:
    return json.dumps({"__metadata__": {"sphericalreg": json.dumps(header)}})


def test_the_header_is_what_was_saved(tmp_path):
    save_checkpoint(tmp_path / "m", "toys", {"a": torch.ones(2)}, {"number": 3})
    header = read_header(tmp_path / "m")
    assert (header["kind"], header["number"], header["version"]) == ("toys", 3, 1)


@pytest.mark.parametrize(
    ("text", "length"),
    [
        (b"", 2**63),
        (b"{}", 2**40),
        (b"{}", 0),
        (b"[" * 100_000, None),
        (b"{" + b'"a":{' * 50_000, None),
        (b'{"a":' + b"9" * 5000 + b"}", None),
        (b"\xff\xfe{}", None),
        (b'{"__metadata__": {"sphericalreg": "[[["}}', None),
        (json.dumps({"__metadata__": {"sphericalreg": "[" * 100_000}}).encode(), None),
        (b'{"__metadata__": 7}', None),
    ],
)
def test_damaged_headers_are_errors(text, length, tmp_path):
    with pytest.raises(CheckpointError, match=r"m\.safetensors"):
        read_header(with_header(tmp_path / "m.safetensors", text, length))


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "[]",
        '{"__metadata__": {"format": "pt"}}',
        '{"__metadata__": {"sphericalreg": "3"}}',
        ours(version=True, kind="a"),
        ours(version=1, kind=["a"]),
    ],
)
def test_files_of_others_are_told_apart(text, tmp_path):
    with pytest.raises(ForeignCheckpointError, match="another program"):
        read_header(with_header(tmp_path / "m", text))


def test_newer_files_are_told_apart(tmp_path):
    with pytest.raises(NewerCheckpointError, match="newer SphericalReg"):
        read_header(with_header(tmp_path / "m", ours(version=2, kind="model")))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no named pipes in folders")
def test_what_is_no_file_is_an_error_and_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("pipe", "folder", "link"):
        with pytest.raises(CheckpointError, match=name):
            read_header(tmp_path / name)


def test_the_card_of_a_real_model_passes():
    card = read_header(sample_path(SAMPLE))["card"]
    assert check_card(card, "sample") == card


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", 7),
        ("name", "x" * 100_000),
        ("height", 10**12),
        ("height", 64.0),
        ("width", True),
        ("sdd", "1000"),
        ("sdd", float("nan")),
        ("sad", 10**400),
        ("sad", None),
        ("intrinsics", [[1, 2], [3, 4]]),
        ("nominal", [[0] * 4] * 3),
        ("nominal", "eye"),
        ("truth", {"rotation_deg": 1}),
        ("reach", {"rotation_deg": "a", "in_plane_mm": 1, "depth_mm": 1}),
        ("encoder_pixels", 10**9),
        ("damping", -1.0),
        ("fingerprint", {"size_mm": [1, 2, 3], "density": [0.0] * 3}),
        ("fingerprint", [1]),
        ("history", []),
        ("history", {"validation": {"cost_at_truth": ["x"]}}),
        ("history", {"plan": [1]}),
        ("mood", "good"),
    ],
)
def test_each_field_of_a_card_is_checked(field, value):
    card = {**read_header(sample_path(SAMPLE))["card"], field: value}
    with pytest.raises(CheckpointError, match=rf"a file does not describe a model of ours.*{field}"):
        check_card(card, "a file")


def test_a_card_without_a_field_is_an_error():
    card = read_header(sample_path(SAMPLE))["card"]
    del card["sdd"]
    with pytest.raises(CheckpointError, match=r"\(sdd\)"):
        check_card(card, "a file")
