"""Parameters and plain data are copied by their names."""

from dataclasses import dataclass
from enum import Enum
from types import SimpleNamespace

from SphericalRegLib.app.panel.packs import camel_case, read_pack, write_pack


class Tone(Enum):
    BRIGHT = "bright"
    DARK = "dark"


@dataclass(frozen=True)
class View:
    row_spacing: float = 0.0
    tone: str = "bright"


@dataclass(frozen=True)
class All:
    xray1_volume: object
    geometry1: View
    names: tuple[str, ...]


class Watched(SimpleNamespace):
    """A pack that tells which parameters are set."""

    def __setattr__(self, name, value):
        self.__dict__.setdefault("written", []).append(name)
        super().__setattr__(name, value)


def test_a_parameter_is_called_what_its_field_is_called():
    assert [camel_case(name) for name in ("sdd", "row_spacing", "off_center_columns", "xray1_volume")] == [
        "sdd",
        "rowSpacing",
        "offCenterColumns",
        "xray1Volume",
    ]


def test_packs_within_packs_are_read_and_choices_by_their_value():
    pack = SimpleNamespace(xray1Volume=None, geometry1=SimpleNamespace(rowSpacing=0.4, tone=Tone.DARK, filled="more"))
    assert read_pack(All, pack, names=("a",)) == All(None, View(0.4, "dark"), ("a",))


def test_only_what_differs_is_written_and_choices_as_choices():
    pack = Watched(rowSpacing=0.4, tone=Tone.BRIGHT)
    write_pack(pack, View(0.4, "dark"))
    assert pack.tone is Tone.DARK
    assert pack.written == ["tone"]
