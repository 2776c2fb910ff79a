"""What is wrong with a command line is one line: the option, its value, and what would do."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from SphericalRegLib.cli.main import main
from SphericalRegLib.cli.parsing.accepted import EXAMPLES, example, form
from SphericalRegLib.cli.parsing.arguments import arguments_of, read_command_line
from SphericalRegLib.cli.parsing.command_table import COMMANDS, function_of
from SphericalRegLib.cli.parsing.options import command_options
from SphericalRegLib.cli.parsing.parser import CommandParser
from SphericalRegLib.cli.top import BAD_INPUT


@pytest.fixture
def refused(tmp_path, monkeypatch, capsys):
    """The one line that a command line ends in; a, b and c are files."""
    monkeypatch.chdir(tmp_path)
    for name in "abc":
        Path(name).touch()

    def refuse(*arguments):
        assert main(arguments) == BAD_INPUT
        printed = capsys.readouterr()
        assert printed.out == ""
        (line,) = printed.err.splitlines()
        return line.removeprefix("sphericalreg: ")

    return refuse


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--sdd 12oo", r"--sdd 12oo cannot be used: it takes a number, such as --sdd 1200\."),
        ("--downsample 1.5", r"--downsample 1.5 cannot be used: it takes a whole number, such as --downsample 1\."),
        ("--similarity nc", r"--similarity nc cannot be used: it takes one of tone-free, .*; did you mean ncc\?"),
        ("--preset ap", r"--preset ap cannot be used: it takes one of AP, PA, .*; did you mean AP\?"),
        ("--device gpu", r"--device gpu cannot be used: it takes one of auto, cpu, cuda, mps\."),
        ("--quiet=maybe", r"--quiet maybe cannot be used: it takes true or false\."),
        ("--spacing 1", r"--spacing 1 cannot be used: it takes two numbers, such as --spacing 0\.8 0\.8\."),
        ("--search 1 x.yaml", r"--search 1 cannot be used: it takes three numbers \(.*, or a YAML file with them\."),
        ("--search x.yaml", r"--search x\.yaml cannot be used: .*"),
        ("--search.depth_mm far", r"--search\.depth_mm far cannot be used: it takes a number, such as .*depth_mm 80\."),
        ("--search.depth 3", r"register has no option --search\.depth: did you mean --search\.depth_mm or --search\?"),
        ("--cd x", r"register has no option --cd: did you mean --ct\?"),
        ("--start x", r"register has no option --start: did you mean --start_pose.*\?"),
        ("--lables x", r"register has no option --lables: did you mean --labels.*\?"),
        ("--xyzzy-q x", r"register has no option --xyzzy-q: see sphericalreg register --help\."),
        ("-x", r"register has no option -x: see .* behind --\."),
        ("--labels l.nii", r"There is no file l\.nii \(--labels\): check the path\."),
        ("--config c.yaml", r"There is no file c\.yaml \(--config\): check the path\."),
    ],
)
def test_an_option_that_cannot_be_is_named_with_what_would_do(options, words, refused):
    assert re.fullmatch(words, refused("register", "a", "b", "-o", "out", *options.split()))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            "register",
            r"CT, XRAY and --output are missing: sphericalreg register CT XRAY\.\.\. -o OUTPUT \[OPTIONS\]\.",
        ),
        ("register a -o out", r"XRAY is missing: .*"),
        ("register a b", r"--output is missing: .*"),
        (
            "register -o out --landmarks a b c",
            r"CT and XRAY are missing: .* Files stand before --landmarks, which takes all that follows, or last, .*\.",
        ),
        ("evaluate", r"CT is missing: sphericalreg evaluate CT \[OPTIONS\]\."),
        ("train", r"CT and --output are missing: sphericalreg train CT\.\.\. -o OUTPUT \[OPTIONS\]\."),
        ("evaluate a -o out", r"evaluate has no option -o \(--output\): see sphericalreg evaluate --help\."),
        (
            "regster a",
            r"There is no command regster: did you mean register.*\? There are register, track, simulate, .*\.",
        ),
        ("xyzzy", r"There is no command xyzzy: see sphericalreg --help\. There are .*"),
        ("--quiet info", r"The command comes first, then its options \(--quiet\): .*"),
        ("", r"The command is missing: give one of register, .*, or --help\."),
    ],
)
def test_what_is_missing_is_named_with_the_usage(arguments, words, refused):
    assert re.fullmatch(words, refused(*arguments.split()))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nope: 3\n", r"The configuration has 'nope', which is no option here: see --help\."),
        ("downsampel: 3\n", r"The configuration has 'downsampel', .*: did you mean downsample\?"),
        ("search: {depth: 3}\n", r"The configuration has 'search\.depth', .*: did you mean search\.depth_mm.*\?"),
        ("sdd: far\n", r"--sdd far cannot be used: it takes a number, such as --sdd 1200\."),
        ("- ct\n", r"c\.yaml holds no options: write one a line, as in 'ct: pelvis\.nii\.gz'\."),
    ],
)
def test_a_configuration_that_cannot_be_is_one_line_too(text, words, refused):
    Path("c.yaml").write_text(text)
    assert re.fullmatch(words, refused("register", "a", "b", "-o", "out", "--config", "c.yaml"))


def test_what_a_configuration_lacks_is_missing(refused):
    Path("c.yaml").write_text("ct: a\n")
    assert refused("register", "--config", "c.yaml").startswith("XRAY and --output are missing")


# of required options that take no other word
_FIT = {"action": ["check"]}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_has_help_and_examples_that_the_parser_takes(command, capsys):
    function = function_of(command)
    options = command_options(function)
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    for option in options.values():
        assert re.search(rf"--{re.escape(option.name)} .*?\(.*?type: ", text), option.name
        # what follows the option's name and its value is a sentence, not at once its type
        assert not re.search(rf"--{re.escape(option.name)} [A-Z_]+ \(type: ", text), option.name
        if not (shown := example(option)):
            continue
        assert shown in form(option)
        assert f"--{option.name} {shown}" in form(option)
        words = [shown.strip('"')] if option.kind == "single" else shown.split()
        line = read_command_line(command, [f"--{option.name}", *words], options)
        assert line.files == []
        parser = CommandParser(exit_on_error=False)
        parser.add_function_arguments(function, as_positional=False)
        line.values = {name: _FIT.get(name, ["x"]) for name, one in options.items() if one.required} | line.values
        assert parser.parse_args(arguments_of(line, options)) is not None


def test_examples_are_of_options_that_there_are():
    names = {name for command in COMMANDS for name in command_options(function_of(command))}
    assert set(EXAMPLES) - names == {"config"}


def test_the_usage_shows_files_and_short_forms(capsys):
    with pytest.raises(SystemExit):
        main(["register", "-h"])
    text = capsys.readouterr().out
    assert text.startswith("usage: sphericalreg register CT XRAY... -o OUTPUT [OPTIONS]\n")
    for words in ("-o OUTPUT, --output OUTPUT", "-q {true,false}, --quiet", "-v {true,false}, --verbose"):
        assert words in text
    with pytest.raises(SystemExit):
        main(["info", "--help"])
    assert capsys.readouterr().out.startswith("usage: sphericalreg info [FILE...] [OPTIONS]\n")


def test_the_list_of_commands_and_a_wrong_command_need_nothing_heavy():
    code = (
        "import sys\n"
        "from SphericalRegLib.cli.main import main\n"
        "for arguments in (['--help'], ['--version'], ['regster']):\n"
        "    try:\n"
        "        main(arguments)\n"
        "    except SystemExit as end:\n"
        "        assert end.code == 0\n"
        "assert not {'torch', 'numba', 'SimpleITK', 'scipy', 'pydicom'} & set(sys.modules), sorted(sys.modules)\n"
    )
    root = str(Path(__file__).resolve().parents[3])
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "not a medical device" in done.stdout
    assert all(command in done.stdout for command in COMMANDS)
