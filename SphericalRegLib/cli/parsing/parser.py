"""The parser of one command: its usage as people type it, and errors in one line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from jsonargparse import ArgumentParser

from SphericalRegLib.cli.parsing.arguments import CommandLine
from SphericalRegLib.cli.parsing.command_table import COMMANDS, SHORT
from SphericalRegLib.cli.parsing.options import Option, documented
from SphericalRegLib.cli.parsing.usage_errors import from_parser, missing_options


def usage(command: str, options: Mapping[str, Option]) -> str:
    """How a command is typed: ``sphericalreg register CT XRAY... -o OUTPUT [OPTIONS]``."""
    words = ["sphericalreg", command]
    positionals = [name for name in COMMANDS[command].positionals if name in options]
    for name in positionals:
        word = shown(name) + ("..." if options[name].kind == "list" and name == positionals[-1] else "")
        words.append(word if options[name].required else f"[{word}]")
    short = {name: form for form, name in SHORT.items()}
    for option in options.values():
        if option.required and option.name not in positionals:
            words.append(f"{short.get(option.name, f'--{option.name}')} {shown(option.name)}")
    return " ".join([*words, "[OPTIONS]"])


def shown(name: str) -> str:
    """A positional argument, as the usage names it."""
    return name.upper()


class CommandParser(ArgumentParser):
    """Raises :class:`~SphericalRegLib.errors.InputError` where others print and exit.

    Args:
        command: name of the command; None for parsers that jsonargparse makes for groups of settings.
        function: behind the command.
        options: of the command.
        line: what was typed.
    """

    def __init__(
        self,
        *args: Any,
        command: str | None = None,
        function: Callable[..., int] | None = None,
        options: Mapping[str, Option] | None = None,
        line: CommandLine | None = None,
        **kwargs: Any,
    ) -> None:
        self._command, self._options, self._line = command, options or {}, line or CommandLine()
        self._documented = {} if function is None else documented(function)
        super().__init__(*args, **kwargs)

    def format_help(self, *args: Any, **kwargs: Any) -> str:
        """The help, with short forms, and with what TypedDicts say of options that others inherit from them."""
        short = {name: form for form, name in SHORT.items() if name != "help"}
        for action in self._actions:
            action.help = action.help or self._documented.get(action.dest)
            if action.dest in short and short[action.dest] not in action.option_strings:
                action.option_strings = [short[action.dest], *action.option_strings]
        text: str = super().format_help(*args, **kwargs)
        return text

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raise what the parser says, in one line.

        Raises:
            InputError: always.
        """
        _, required, names = message.partition("arguments are required: ")
        if required and self._command is not None:
            missing = [name.strip() for name in names.split(",")]
            files = COMMANDS[self._command].positionals
            named = [shown(name) if name in files else f"--{name}" for name in missing]
            greedy = self._line.greedy if set(missing) & set(files) else []
            raise missing_options(named, usage(self._command, self._options), greedy) from None
        values = {name: " ".join(typed) for name, typed in self._line.values.items()}
        raise from_parser(message, self._options, values) from None
