"""From a command line to a command. Of the commands, only the one that is run is imported."""

from __future__ import annotations

from collections.abc import Sequence

from jsonargparse import auto_cli

from SphericalRegLib import DISCLAIMER, __version__
from SphericalRegLib.cli.console import Console
from SphericalRegLib.cli.parsing.arguments import arguments_of, check_files, fill_positionals, read_command_line
from SphericalRegLib.cli.parsing.command_table import COMMANDS, function_of
from SphericalRegLib.cli.parsing.config_files import read_configs
from SphericalRegLib.cli.parsing.options import command_options
from SphericalRegLib.cli.parsing.parser import CommandParser, usage
from SphericalRegLib.cli.parsing.usage_errors import unknown_command
from SphericalRegLib.cli.reading.calibrated_start import start_of_calibration
from SphericalRegLib.errors import InputError


def run(arguments: Sequence[str]) -> int:
    """Run a command; returns its exit code.

    Args:
        arguments: after the program's name.

    Raises:
        SystemExit: for ``--help``, ``--version`` and ``--print_config``.
        SphericalRegError: for options and input that cannot be used.
    """
    command, *typed = arguments or [""]
    if command in ("-h", "--help", "help") or command == "--version":
        print(f"sphericalreg {__version__}" if command == "--version" else overview())
        raise SystemExit(0)
    if command not in COMMANDS:
        raise _no_command(command)
    function = function_of(command)
    options = command_options(function)
    line = read_command_line(command, typed, options)
    configured = read_configs(line.configs)
    fill_positionals(command, line, options, configured)
    check_files(command, line)
    start, sentence = start_of_calibration(command, line.values, configured)
    line.values |= start
    if sentence:
        Console(quiet=line.values.get("quiet", ["false"])[0].lower() == "true").say(sentence)
    code = auto_cli(
        function,
        args=arguments_of(line, options),
        as_positional=False,
        parser_class=CommandParser,
        prog=f"sphericalreg {command}",
        usage=usage(command, options),
        command=command,
        function=function,
        options=options,
        line=line,
    )
    return int(code)


def overview() -> str:
    """What ``sphericalreg --help`` says."""
    width = max(map(len, COMMANDS))
    return "\n".join(
        [
            "usage: sphericalreg COMMAND [FILES] [OPTIONS]",
            "",
            f"2D/3D registration of a CT to X-rays. {DISCLAIMER}",
            "",
            *(f"  {name:{width}}  {command.summary}" for name, command in COMMANDS.items()),
            "",
            "sphericalreg COMMAND --help lists a command's options; sphericalreg --version tells the version.",
        ]
    )


def _no_command(written: str) -> InputError:
    if not written:
        return InputError(f"The command is missing: give one of {', '.join(COMMANDS)}, or --help.")
    if written.startswith("-"):
        return InputError(f"The command comes first, then its options ({written}): sphericalreg register --help.")
    return unknown_command(written, COMMANDS)
