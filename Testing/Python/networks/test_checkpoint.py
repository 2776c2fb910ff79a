"""Checkpoints: whole or not at all, the one before it kept, and every wrong file named."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from SphericalRegLib.errors import CheckpointError
from SphericalRegLib.networks.checkpoint import load_checkpoint, previous, save_checkpoint

TENSORS = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor([1, 2], dtype=torch.uint8)}


def test_tensors_and_header_come_back(tmp_path):
    save_checkpoint(tmp_path / "m.safetensors", "toys", TENSORS, {"patient": "Ü", "range": [1, 2.5]})
    tensors, header = load_checkpoint(tmp_path / "m.safetensors", "toys")
    assert {name: value.tolist() for name, value in tensors.items()} == {n: v.tolist() for n, v in TENSORS.items()}
    assert tensors["b"].dtype == torch.uint8
    assert header == {"version": 1, "kind": "toys", "patient": "Ü", "range": [1, 2.5]}
    assert os.listdir(tmp_path) == ["m.safetensors"]


def test_the_one_before_is_kept(tmp_path):
    path = tmp_path / "m.safetensors"
    for number in range(3):
        save_checkpoint(path, "toys", TENSORS, {"number": number})
    assert load_checkpoint(path, "toys")[1]["number"] == 2
    assert load_checkpoint(previous(path), "toys")[1]["number"] == 1
    assert len(os.listdir(tmp_path)) == 2


@pytest.mark.parametrize("broken", ["write", "fsync", "replace"])
def test_a_full_disk_leaves_the_old_one_and_no_half_one(broken, tmp_path, monkeypatch):
    path = tmp_path / "m.safetensors"
    save_checkpoint(path, "toys", TENSORS, {"number": 1})

    def fails(*_, **__):
        raise OSError(28, "No space left on device")

    if broken == "fsync":
        monkeypatch.setattr(os, "fsync", fails)
    elif broken == "replace":
        real = os.replace
        monkeypatch.setattr(os, "replace", lambda s, t: fails() if Path(t) == path else real(s, t))
    else:
        monkeypatch.setattr(Path, "write_bytes", fails)
    with pytest.raises(CheckpointError, match=r"No space left.*one before it is kept"):
        save_checkpoint(path, "toys", TENSORS, {"number": 2})
    monkeypatch.undo()
    assert load_checkpoint(path, "toys")[1]["number"] == 1
    assert {file.name for file in tmp_path.iterdir()} <= {path.name, previous(path).name}


def test_a_damaged_file_is_named_with_the_one_before_it(tmp_path):
    path = tmp_path / "m.safetensors"
    for number in range(2):
        save_checkpoint(path, "toys", TENSORS, {"number": number})
    whole = path.read_bytes()
    path.unlink()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError, match=r"damaged.*m\.safetensors\.previous"):
        load_checkpoint(path, "toys")
    assert load_checkpoint(previous(path), "toys")[1]["number"] == 0


@pytest.mark.parametrize("content", [b"", b"{}", b"\x80\x04pickle", bytes(range(100))])
def test_other_files_are_refused(content, tmp_path):
    (tmp_path / "m").write_bytes(content)
    with pytest.raises(CheckpointError, match="damaged or of another format"):
        load_checkpoint(tmp_path / "m", "toys")


def test_absent_foreign_newer_and_other_checkpoints_are_told_apart(tmp_path):
    with pytest.raises(CheckpointError, match="There is no checkpoint"):
        load_checkpoint(tmp_path / "absent", "toys")
    save_file(TENSORS, tmp_path / "foreign")
    with pytest.raises(CheckpointError, match="another program"):
        load_checkpoint(tmp_path / "foreign", "toys")
    save_file(TENSORS, tmp_path / "newer", {"sphericalreg": json.dumps({"version": 99, "kind": "toys"})})
    with pytest.raises(CheckpointError, match="newer SphericalReg"):
        load_checkpoint(tmp_path / "newer", "toys")
    save_checkpoint(tmp_path / "mine", "encoders", TENSORS, {})
    with pytest.raises(CheckpointError, match="holds encoders, where toys are expected"):
        load_checkpoint(tmp_path / "mine", "toys")


def test_a_header_that_json_cannot_hold_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="JSON"):
        save_checkpoint(tmp_path / "m", "toys", TENSORS, {"loss": float("nan")})
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("place", ["tensors", "header"])
def test_one_changed_bit_is_told_by_the_checksum(place, tmp_path):
    path = tmp_path / "m"
    save_checkpoint(path, "toys", {"a": torch.ones(100)}, {"damping": 0.1})
    content = bytearray(path.read_bytes())
    at = len(content) - 40 if place == "tensors" else content.index(b"0.1")
    content[at] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="damaged"):
        load_checkpoint(path, "toys")


def test_a_file_without_a_checksum_is_read(tmp_path):
    save_file(TENSORS, tmp_path / "old", {"sphericalreg": json.dumps({"version": 1, "kind": "toys", "number": 3})})
    tensors, header = load_checkpoint(tmp_path / "old", "toys")
    assert header == {"version": 1, "kind": "toys", "number": 3}
    assert all(torch.equal(tensors[name], value) for name, value in TENSORS.items())


def test_a_header_that_was_read_can_be_written_again(tmp_path):
    save_checkpoint(tmp_path / "a", "toys", TENSORS, {"sizes": (1, 2), "by_number": {3: "x"}})
    tensors, header = load_checkpoint(tmp_path / "a", "toys")
    save_checkpoint(tmp_path / "b", "toys", tensors, {**header, "number": 1})
    assert load_checkpoint(tmp_path / "b", "toys")[1] == {**header, "number": 1}
