"""A command line as people type it, made into what the parser wants: one ``--name=value`` for each option.

``register CT XRAY -o OUT``, ``--angles -90 0``, ``--ct-spacing 0.4,0.4,0.6``, ``--search 20 40 80``, ``-q``.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from SphericalRegLib.cli.parsing.command_table import COMMANDS, FILES, SHORT
from SphericalRegLib.cli.parsing.options import Option
from SphericalRegLib.cli.parsing.usage_errors import missing_value, unknown_option, wrong_value
from SphericalRegLib.errors import InputError

_NONE = ("null", "none")
# Options of the parser's own.
_CONFIG = "config"
_CONFIG_OPTION = Option(_CONFIG, str, "single", {}, False, None)
_ALONE = ("help", "print_config")


@dataclass
class CommandLine:
    """What was typed behind a command.

    Attributes:
        values: {option: its values}, in the order of their first mention; of flags, true or false.
        files: arguments without an option that are not yet options' values.
        configs: configuration files, in order.
        others: ``--help`` and the like.
        greedy: options that took two values or more, which could have been files.
    """

    values: dict[str, list[str]] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    configs: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    greedy: list[str] = field(default_factory=list)


def read_command_line(command: str, argv: Sequence[str], options: Mapping[str, Option]) -> CommandLine:
    """What stands where on a command line.

    An option's values end at the next option, or where it has all that it takes; lists take all values. Behind ``--``
    stand files only, whatever their names begin with.

    Args:
        command: its name, for the errors.
        argv: arguments behind the command.
        options: that it has.

    Raises:
        InputError: for options that there are not, and values that are missing or of another number or kind.
    """
    line, waiting = CommandLine(), list(argv)
    while waiting:
        argument = waiting.pop(0)
        if argument == "--":
            line.files += waiting
            break
        if not _is_option(argument) and not (argument.startswith("-") and len(argument) > 1):
            line.files.append(argument)
            continue
        written, equals, value = argument.partition("=")
        name = SHORT.get(written) or written.removeprefix("--").replace("-", "_").removesuffix("+")
        if name in _ALONE and _is_option(argument):
            line.others.append(f"--{name}{equals}{value}")
        elif name == _CONFIG:
            line.configs.append(value if equals else _single(_CONFIG_OPTION, waiting))
        elif name not in options or not _is_option(argument):
            raise unknown_option(command, written if _is_option(argument) else argument, options)
        else:
            _take(line, options[name], [value] if equals else None, waiting)
    return line


def fill_positionals(
    command: str, line: CommandLine, options: Mapping[str, Option], configured: Collection[str]
) -> None:
    """Give the files that were named without an option to the options that they are for.

    They fill what no option fills, in order; where there are fewer of them than that, what a configuration fills is
    left to it.

    Args:
        command: its name.
        line: of which the files become values.
        options: of the command.
        configured: options that configuration files fill.

    Raises:
        InputError: for a file too many, or one of which it is not clear what it is.
    """
    if not line.files:
        return
    vacant = [name for name in COMMANDS[command].positionals if name not in line.values]
    if len(line.files) < len(vacant):
        open_places = [name for name in vacant if name not in configured]
        if not open_places:
            named = " or ".join(f"--{name}" for name in vacant)
            raise InputError(f"{line.files[0]} may replace what the configuration gives: name it by {named}.")
        vacant = open_places
    files = list(line.files)
    for place, name in enumerate(vacant):
        takes_all = options[name].kind == "list" and place == len(vacant) - 1
        line.values[name], files = (files, []) if takes_all else (files[:1], files[1:])
        if not files:
            break
    if files:
        given = " and ".join(f"--{name}" for name in COMMANDS[command].positionals if name in line.values)
        raise InputError(
            f"{command} has no use for {' '.join(files[:3])}{' ...' if len(files) > 3 else ''}: "
            + (f"there is {given} already." if given else "leave it out.")
        )
    line.files = []


def check_files(command: str, line: CommandLine) -> None:
    """See that files which the command reads are there, before anything is loaded.

    Raises:
        InputError: for the first that is not.
    """
    for name in line.values:
        if name not in FILES or name in COMMANDS[command].written:
            continue
        for path in line.values[name]:
            if path.lower() not in _NONE and not os.path.exists(path):
                raise InputError(f"There is no file {path} (--{name}): check the path.")


def arguments_of(line: CommandLine, options: Mapping[str, Option]) -> list[str]:
    """The arguments for the parser; configuration files come first, so that what was typed counts before them."""
    configs = [f"--{_CONFIG}={path}" for path in line.configs]
    typed = [f"--{name}={_encoded(options[name], values)}" for name, values in line.values.items()]
    return [*configs, *typed, *line.others]


def _take(line: CommandLine, option: Option, values: list[str] | None, waiting: list[str]) -> None:
    """An option's values, off the waiting arguments where they are not given."""
    if option.kind == "flag":
        if values is None:
            follows = waiting[:1] and waiting[0].lower() in ("true", "false")
            values = [waiting.pop(0)] if follows else ["true"]
    elif option.kind == "list":
        if values is None:
            values = _until_option(waiting)
            if not values:
                raise missing_value(option)
            if len(values) > 1:
                line.greedy.append(f"--{option.name}")
        line.values.setdefault(option.name, []).extend(_listed(values))
        return
    elif option.kind == "tuple" or (option.kind == "group" and _are_numbers(values or waiting[:1])):
        values = _several(option, values, waiting)
    elif values is None:
        values = [_single(option, waiting)]
    line.values[option.name] = values


def _single(option: Option, waiting: list[str]) -> str:
    if not waiting or _is_option(waiting[0]):
        raise missing_value(option)
    return waiting.pop(0)


def _until_option(waiting: list[str]) -> list[str]:
    values = []
    while waiting and not _is_option(waiting[0]):
        values.append(waiting.pop(0))
    return values


def _several(option: Option, values: list[str] | None, waiting: list[str]) -> list[str]:
    """As many values as a tuple or a group of numbers has, however they are written."""
    count = len(option.members)
    if values is None:
        if not waiting or _is_option(waiting[0]):
            raise missing_value(option)
        values = []
        while waiting and not _is_option(waiting[0]) and _goes_on(option, values, waiting[0]):
            values.append(waiting.pop(0))
        if not values:
            values.append(waiting.pop(0))
    if len(values) == 1 and values[0].lower() in _NONE:
        return values
    parts = [part for value in values for part in _parts(value)]
    if len(parts) != count or (option.numeric and not _are_numbers(parts)):
        raise wrong_value(option, " ".join(values))
    return parts


def _goes_on(option: Option, values: Sequence[str], argument: str) -> bool:
    """Whether an argument is one more value. Numbers too many are a mistake, unless there is a file of that name."""
    complete = sum(len(_parts(value)) for value in values) >= len(option.members)
    if not option.numeric:
        return not complete
    return _are_numbers([argument]) and not (complete and os.path.exists(argument))


def _parts(value: str) -> list[str]:
    """Values in one argument: 1,2 or [1, 2] or (1 2)."""
    return [part.strip("'\"") for part in re.split(r"[\s,;]+", value.strip("[]() \t,;")) if part]


def _listed(values: list[str]) -> list[str]:
    """Values of a list, which may be written as one."""
    if len(values) == 1 and values[0].startswith("[") and values[0].endswith("]"):
        try:
            content = json.loads(values[0])
        except ValueError:
            return _parts(values[0])
        return [str(item) for item in content]
    return values


def _are_numbers(values: Sequence[str]) -> bool:
    parts = [part for value in values for part in _parts(value)]
    return bool(parts) and all(_number(part) is not None for part in parts)


def _number(text: str) -> int | float | None:
    """A finite number, whole where it is written so; else None."""
    if not re.fullmatch(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?", text):
        return None
    if re.fullmatch(r"[-+]?[0-9]{1,18}", text):
        return int(text)
    number = float(text)
    return number if abs(number) < float("inf") else None


def _is_option(argument: str) -> bool:
    return argument.startswith("--") or argument.partition("=")[0] in SHORT


def _encoded(option: Option, values: list[str]) -> str:
    """Values as the parser reads them; texts stay text even where they look like numbers."""
    if option.kind in ("single", "flag") or (len(values) == 1 and option.kind != "list"):
        return values[0]
    content: Any = [_value(member, value) for member, value in zip(_members(option, len(values)), values, strict=True)]
    return json.dumps(dict(zip(option.members, content, strict=True)) if option.kind == "group" else content)


def _members(option: Option, count: int) -> list[Any]:
    members = list(option.members.values())
    return members * count if option.kind == "list" else members


def _value(member: Any, text: str) -> Any:
    """A text, or a number where the type has numbers and the text is one of them."""
    if member is str:
        return text
    number = _number(text)
    if number is None or (isinstance(number, float) and member is not float):
        return text
    return number
