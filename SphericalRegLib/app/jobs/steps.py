"""Steps that jobs yield beside those of their engines: typed, without a word of how they are shown."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Message:
    """Something that the user should know, in one sentence."""

    text: str
