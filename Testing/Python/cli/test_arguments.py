"""Options and files as people write them, against what the parser wants."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from SphericalRegLib.cli.parsing.arguments import arguments_of, check_files, fill_positionals, read_command_line
from SphericalRegLib.cli.parsing.command_table import COMMANDS, FILES, function_of
from SphericalRegLib.cli.parsing.options import command_options
from SphericalRegLib.errors import InputError

REGISTER = command_options(function_of("register"))
LANDSCAPE = command_options(function_of("landscape"))
TRAIN = command_options(function_of("train"))


def typed(words: str | list[str], command: str = "register", configured: tuple[str, ...] = ()) -> dict[str, object]:
    """{option: value} that the parser gets for a command line; lists and numbers as JSON has them."""
    options = {"register": REGISTER, "landscape": LANDSCAPE, "train": TRAIN}.get(command) or command_options(
        function_of(command)
    )
    line = read_command_line(command, words.split() if isinstance(words, str) else words, options)
    fill_positionals(command, line, options, configured)
    pairs = [argument.removeprefix("--").split("=", 1) for argument in arguments_of(line, options)]
    return {name: json.loads(value) if value[:1] in ("[", "{") else value for name, value in pairs}


class TestFiles:
    @pytest.mark.parametrize(
        "words",
        [
            "a.nii b.dcm c.dcm -o out",
            "-o out a.nii b.dcm c.dcm",
            "a.nii -o=out b.dcm c.dcm",
            "-o out -- a.nii b.dcm c.dcm",
            "--ct a.nii b.dcm c.dcm -o out",
            "a.nii --xray b.dcm c.dcm -o out",
            "--xray b.dcm --xray c.dcm --output out a.nii",
            "--xray=b.dcm --xray=c.dcm --output=out --ct=a.nii",
            '--xray=["b.dcm","c.dcm"] --output=out a.nii',
            "--xray+ b.dcm --xray+=c.dcm --output=out a.nii",
        ],
    )
    def test_the_ct_and_the_xrays_can_be_named_in_any_way(self, words):
        assert typed(words) == {"ct": "a.nii", "xray": ["b.dcm", "c.dcm"], "output": "out"}

    def test_each_command_takes_the_files_that_it_is_about(self):
        assert typed("a.nii", "evaluate") == {"ct": "a.nii"}
        assert typed("a.nii -o x.dcm", "simulate") == {"ct": "a.nii", "output": "x.dcm"}
        assert typed("a.nii -o x.png", "render") == {"ct": "a.nii", "output": "x.png"}
        assert typed("a.nii b.nii -o m.safetensors", "train") == {"ct": ["a.nii", "b.nii"], "output": "m.safetensors"}
        assert typed("a b c", "info") == {"file": ["a", "b", "c"]}
        assert typed("a.nii b.dcm -o out", "landscape") == {"ct": "a.nii", "xray": ["b.dcm"], "output": "out"}

    def test_positionals_of_the_table_are_options_and_only_the_last_one_holds_a_list(self):
        for name, command in COMMANDS.items():
            options = command_options(function_of(name))
            kinds = [options[positional].kind for positional in command.positionals]
            assert all(kind == "single" for kind in kinds[:-1])
            start, others = command.start or (None, ())
            assert {*others, *command.written, *([start] if start else [])} <= set(options)
            assert {n for n in FILES & set(options) if options[n].hint not in (str, list[str])} == set()

    @pytest.mark.parametrize(
        "words", ["-o out -- -a.nii -b.dcm", "--ct -a.nii -o out -- -b.dcm", "--ct=-a.nii --xray=-b.dcm -o out"]
    )
    def test_names_that_begin_with_a_dash_can_be_given(self, words):
        assert typed(words) == {"ct": "-a.nii", "xray": ["-b.dcm"], "output": "out"}

    def test_a_name_with_a_dash_elsewhere_is_refused_with_the_way_to_write_it(self):
        with pytest.raises(InputError, match=r"no option -a=1\.nii.* \./-a=1\.nii, or comes last, behind --"):
            typed("-a=1.nii b.dcm")

    def test_a_file_may_be_called_like_a_number_or_a_word_of_options(self):
        assert typed("1 2 3 -o 4") == {"ct": "1", "xray": ["2", "3"], "output": "4"}
        assert typed("output ct -o xray") == {"ct": "output", "xray": ["ct"], "output": "xray"}

    @pytest.mark.parametrize(
        ("words", "command", "message"),
        [
            ("a b", "evaluate", r"^evaluate has no use for b: there is --ct already\.$"),
            ("a b --xray c", "register", r"no use for b: there is --ct and --xray already"),
            ("a --ct b --xray c", "register", r"no use for a"),
            ("x", "demo", r"^demo has no use for x: leave it out\.$"),
        ],
    )
    def test_a_file_too_many_is_named(self, words, command, message):
        with pytest.raises(InputError, match=message):
            typed(words, command)

    def test_files_leave_to_a_configuration_what_it_fills_if_they_are_fewer(self):
        assert typed("b -o out", configured=("ct",)) == {"xray": ["b"], "output": "out"}
        assert typed("a -o out", configured=("xray",)) == {"ct": "a", "output": "out"}
        assert typed("a b -o out", configured=("ct", "xray")) == {"ct": "a", "xray": ["b"], "output": "out"}
        with pytest.raises(InputError, match="name it by --ct or --xray"):
            typed("a -o out", configured=("ct", "xray"))

    def test_what_is_typed_counts_before_a_configuration_wherever_it_stands(self):
        line = read_command_line("register", ["--seed", "1", "--config", "f.yaml", "--config=g.yaml"], REGISTER)
        assert arguments_of(line, REGISTER) == ["--config=f.yaml", "--config=g.yaml", "--seed=1"]

    def test_files_that_are_not_there_are_named_with_their_option(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        Path("a.nii").touch()
        for words, message in (
            ("--ct a.nii --xray b.dcm", r"no file b\.dcm \(--xray\)"),
            ("--ct a.nii --labels l.nii", r"no file l\.nii \(--labels\)"),
        ):
            with pytest.raises(InputError, match=message):
                check_files("register", read_command_line("register", words.split(), REGISTER))
        check_files("register", read_command_line("register", ["--ct", "a.nii", "--labels", "null"], REGISTER))
        # an output need not be there
        simulate = command_options(function_of("simulate"))
        check_files("simulate", read_command_line("simulate", ["--truth", "t.json"], simulate))


class TestValues:
    @pytest.mark.parametrize(
        "words",
        [
            ["--ct_spacing", "0.4", "0.4", "0.6"],
            ["--ct-spacing", "0.4,0.4,0.6"],
            ["--ct_spacing=0.4,0.4,0.6"],
            ["--ct_spacing", "[0.4,0.4,0.6]"],
            ["--ct_spacing", "[0.4, 0.4, 0.6]"],
            ["--ct_spacing", "[0.4,", "0.4,", "0.6]"],
            ["--ct_spacing", "(0.4 0.4 0.6)"],
            ["--ct_spacing", "0.4,", ".4,", "6e-1"],
            ["--ct_spacing", "0.4;0.4;0.6"],
        ],
    )
    def test_three_numbers_can_be_written_in_any_way(self, words):
        assert typed(["a", "b", *words]) == {"ct": "a", "xray": ["b"], "ct_spacing": [0.4, 0.4, 0.6]}
        assert typed([*words, "a", "b"]) == {"ct": "a", "xray": ["b"], "ct_spacing": [0.4, 0.4, 0.6]}

    def test_every_tuple_of_every_command_takes_its_number_of_values_and_no_more(self):
        for name in COMMANDS:
            for option in command_options(function_of(name)).values():
                if option.kind == "tuple":
                    words = ["1"] * len(option.members)
                    line = read_command_line(name, [f"--{option.name}", *words, "f"], {option.name: option})
                    assert (line.values[option.name], line.files) == (words, ["f"])

    def test_negative_numbers_are_values_and_not_options(self):
        assert typed("--angles -90 -.5 --seed -1") == {"angles": [-90, -0.5], "seed": "-1"}

    def test_words_are_values_of_tuples_too(self):
        assert typed("--parameters rx ty a b", "landscape") == {"parameters": ["rx", "ty"], "ct": "a", "xray": ["b"]}
        assert typed("--parameters rx,ty --steps 3,5", "landscape") == {"parameters": ["rx", "ty"], "steps": [3, 5]}

    def test_a_range_is_three_numbers_or_a_file_or_its_parts(self):
        numbers = {"rotation_deg": 20, "in_plane_mm": 40, "depth_mm": 80}
        assert typed("--search 20 40 80 a b") == {"search": numbers, "ct": "a", "xray": ["b"]}
        assert typed("--poses=20,40,80 --reach [20,40,80]", "train") == {"poses": numbers, "reach": numbers}
        assert typed("--search range.yaml --search.depth-mm 3") == {"search": "range.yaml", "search.depth_mm": "3"}

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            ("--angles 1", r"^--angles 1 cannot be used: it takes two numbers, such as --angles 90 0\.$"),
            ("--angles 1 2 3", r"^--angles 1 2 3 cannot be used: it takes two numbers"),
            ("--angles ab 3", r"^--angles ab cannot be used"),
            ("--angles 1,x", r"^--angles 1,x cannot be used"),
            ("--angles nan 1", r"^--angles nan cannot be used"),
            ("--angles 1 1e999", r"^--angles 1 cannot be used"),
            ("--angles", r"^--angles lacks its value: it takes two numbers"),
            ("--angles --seed 1", r"^--angles lacks its value"),
            ("--sdd", r"^--sdd lacks its value: it takes a number, such as --sdd 1200\.$"),
            ("--sdd -q", r"^--sdd lacks its value"),
            ("--xray -o out", r"^--xray lacks its value"),
            (
                "--search 20 40",
                r"three numbers \(rotation_deg, in_plane_mm, depth_mm\), such as --search 20 40 80, or a",
            ),
            ("--config", r"^--config lacks its value: it takes a text, such as --config job\.yaml\.$"),
        ],
    )
    def test_values_too_few_or_too_many_or_of_another_kind_are_one_sentence(self, words, message):
        with pytest.raises(InputError, match=message):
            typed(words)

    def test_a_number_behind_a_tuple_is_a_file_where_there_is_one(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        Path("00000001").touch()
        assert typed("--angles 90 0 00000001 b") == {"angles": [90, 0], "ct": "00000001", "xray": ["b"]}

    def test_values_of_lists_stay_text_where_the_type_is_text_and_are_whole_numbers_where_it_may_be(self):
        assert typed("--xray 1 2.5 1e5 --bones 3 sacrum 3.5") == {
            "xray": ["1", "2.5", "1e5"],
            "bones": [3, "sacrum", "3.5"],
        }

    def test_a_flag_alone_means_true_and_can_be_denied(self):
        assert typed("-q a b --learned-stage") == {"quiet": "true", "ct": "a", "xray": ["b"], "learned_stage": "true"}
        assert typed("--quiet false -v a b") == {"quiet": "false", "verbose": "true", "ct": "a", "xray": ["b"]}
        assert typed("--encoder.shared", "train") == {"encoder.shared": "true"}

    def test_an_option_without_value_can_be_unset(self):
        assert typed("--angles null --ct_spacing none") == {"angles": "null", "ct_spacing": "none"}

    def test_dashes_and_underscores_are_the_same_in_names_but_not_in_values(self):
        assert typed("--start-pose a-b --label-names=c-d") == {"start_pose": "a-b", "label_names": "c-d"}

    def test_an_option_that_takes_all_that_follows_is_remembered(self):
        line = read_command_line("register", ["--landmarks", "l", "a", "b"], REGISTER)
        assert (line.files, line.greedy) == ([], ["--landmarks"])
