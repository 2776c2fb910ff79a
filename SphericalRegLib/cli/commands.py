"""The commands and their options; importing this loads torch and all else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from jsonargparse import auto_cli

from SphericalRegLib import __version__
from SphericalRegLib.cli.arguments import flags, join_values, list_options, raise_flags, text_options, with_underscores
from SphericalRegLib.cli.config_files import check_configs
from SphericalRegLib.cli.demo import demo
from SphericalRegLib.cli.evaluate import evaluate
from SphericalRegLib.cli.info import info
from SphericalRegLib.cli.landscape import landscape
from SphericalRegLib.cli.register import register
from SphericalRegLib.cli.render import render
from SphericalRegLib.cli.simulate import simulate
from SphericalRegLib.cli.systems import systems
from SphericalRegLib.cli.train import train
from SphericalRegLib.reporting.outcome import DISCLAIMER

COMMANDS: dict[str, Callable[..., int]] = {
    "register": register,
    "simulate": simulate,
    "render": render,
    "evaluate": evaluate,
    "landscape": landscape,
    "train": train,
    "systems": systems,
    "info": info,
    "demo": demo,
}


def run(arguments: Sequence[str]) -> int:
    """Run a command; returns its exit code.

    Args:
        arguments: after the program's name.

    Raises:
        SystemExit: for ``--help``, and with code 2 for arguments that do not exist or lack a value.
        SphericalRegError: for input that cannot be used.
    """
    arguments = list(arguments)
    if arguments and arguments[0] in COMMANDS:
        command, *options = arguments
        options = raise_flags(with_underscores(options), flags(COMMANDS[command]))
        arguments = [command, *join_values(options, list_options(COMMANDS[command]), text_options(COMMANDS[command]))]
    check_configs(arguments)
    components: dict[str, Any] = dict(COMMANDS)
    code = auto_cli(
        components,
        args=arguments,
        as_positional=False,
        prog="sphericalreg",
        description=f"2D/3D registration of a CT to X-rays. {DISCLAIMER}",
        version=__version__,
    )
    return int(code)
