"""The command ``sphericalreg``."""

from __future__ import annotations

import sys
import traceback
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
from SphericalRegLib.cli.remedies import in_options
from SphericalRegLib.cli.render import render
from SphericalRegLib.cli.simulate import simulate
from SphericalRegLib.cli.stopping import STOPPED
from SphericalRegLib.cli.train import train
from SphericalRegLib.errors import SphericalRegError
from SphericalRegLib.evaluation.outcome import DISCLAIMER

COMMANDS: dict[str, Callable[..., int]] = {
    "register": register,
    "simulate": simulate,
    "render": render,
    "evaluate": evaluate,
    "landscape": landscape,
    "train": train,
    "info": info,
    "demo": demo,
}

BAD_INPUT = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code: 0 done or accepted, 3 rejected, 2 bad input.

    Args:
        argv: arguments after the program's name; the process's own by default.

    Raises:
        SystemExit: for ``--help``, and with code 2 for arguments that do not exist or lack a value.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments and arguments[0] in COMMANDS:
        command, *options = arguments
        options = raise_flags(with_underscores(options), flags(COMMANDS[command]))
        arguments = [command, *join_values(options, list_options(COMMANDS[command]), text_options(COMMANDS[command]))]
    components: dict[str, Any] = dict(COMMANDS)
    try:
        check_configs(arguments)
        code = auto_cli(
            components,
            args=arguments,
            as_positional=False,
            prog="sphericalreg",
            description=f"2D/3D registration of a CT to X-rays. {DISCLAIMER}",
            version=__version__,
        )
    except SphericalRegError as error:
        if {"--verbose", "--verbose=true"} & set(arguments):
            traceback.print_exc()
        print(f"sphericalreg: {in_options(str(error))}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print("sphericalreg: stopped; nothing was written.", file=sys.stderr)
        return STOPPED
    return int(code)


if __name__ == "__main__":
    sys.exit(main())
