"""What is wrong with a command line, in one line each: the option, its value, and what would do."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence

from SphericalRegLib.cli.parsing.accepted import choices, form
from SphericalRegLib.cli.parsing.command_table import SHORT
from SphericalRegLib.cli.parsing.options import Option
from SphericalRegLib.errors import InputError

# Of a value or a message that is shown.
_LONGEST = 200
# Letters below which one wrong letter is half of a name.
_SHORT = 4
_NEARLY = 0.75
_KEY = re.compile(r'Parser key "([\w.]+)"')
_GIVEN = re.compile(r"(?:Got value|Given value): (.*)", re.DOTALL)
_CHECKED = re.compile(r"The value, line \d+ .*")


def unknown_option(command: str, written: str, names: Iterable[str]) -> InputError:
    """An option that the command does not have."""
    if written in SHORT:
        return InputError(f"{command} has no option {written} (--{SHORT[written]}): see sphericalreg {command} --help.")
    if not written.startswith("--"):
        return InputError(
            f"{command} has no option {written}: see sphericalreg {command} --help. A file whose name begins with a "
            f"dash is ./{written}, or comes last, behind --."
        )
    meant = _meant(written[2:].replace("-", "_"), [*names, "config"], "--")
    return InputError(f"{command} has no option {_short(written)}: {meant or f'see sphericalreg {command} --help.'}")


def unknown_command(written: str, names: Iterable[str]) -> InputError:
    """A command that there is not."""
    names = list(names)
    meant = _meant(written, names) or "see sphericalreg --help."
    return InputError(f"There is no command {_short(written)}: {meant} There are {', '.join(names)}.")


def missing_value(option: Option) -> InputError:
    """An option at whose side nothing stands."""
    return InputError(f"--{option.name} lacks its value: it takes {form(option)}.")


def wrong_value(option: Option, value: str) -> InputError:
    """A value that the option cannot take."""
    # the words are all shown: only one that is nearly there is asked for, or "gpu" would be "cpu"
    meant = _meant(value, choices(option), cutoff=_NEARLY)
    accepted = f"it takes {form(option)}" + (f"; {meant}" if meant else ".")
    return InputError(f"--{option.name} {_short(value)} cannot be used: {accepted}")


def missing_options(names: Sequence[str], usage: str, greedy: Sequence[str]) -> InputError:
    """Options without which the command cannot run.

    Args:
        names: of the options, or of the files as the usage names them.
        usage: of the command.
        greedy: options that took all values behind them, among which the missing ones may be.
    """
    listed = " and ".join([part for part in (", ".join(names[:-1]), names[-1]) if part])
    lacks = f"{listed} {'is' if len(names) == 1 else 'are'} missing: {usage}."
    if greedy:
        lacks += f" Files stand before {' and '.join(greedy)}, which takes all that follows, or last, behind --."
    return InputError(lacks)


def from_parser(message: str, options: Mapping[str, Option], values: Mapping[str, str]) -> InputError:
    """What the parser says at length, in one line.

    Args:
        message: the parser's.
        options: of the command.
        values: {option: value as typed}; values of configuration files are in the message.
    """
    if checked := _CHECKED.search(message):
        return InputError(f"{checked.group()[:_LONGEST].rstrip('.')}.")
    key, given = _KEY.search(message), _GIVEN.search(message)
    name = key.group(1) if key is not None else ""
    if name in options:
        value = values.get(name) or (given.group(1) if given is not None else "")
        return wrong_value(options[name], value)
    refused = re.search(r"(?:Option|option) '([^']+)'", message)
    if refused is not None:
        group = re.search(r"Group '([^']+)'", message)
        whole = f"{group.group(1)}.{refused.group(1)}" if group is not None else refused.group(1)
        meant = _meant(whole, options)
        return InputError(f"The configuration has {_short(whole)!r}, which is no option here: {meant or 'see --help.'}")
    return InputError(f"{_short(message).rstrip('.')}: see --help.")


def _meant(written: str, names: Iterable[str], dashes: str = "", cutoff: float | None = None) -> str:
    """A question for the names that are near, or nothing. Of names within groups, the last part counts as well."""
    plain, of_plain = written.lower(), {name.lower(): name for name in names}
    near = [name for name in of_plain if plain and (name.startswith(plain) or name.endswith(f".{plain}"))]
    cutoff = cutoff or (0.5 if len(plain) < _SHORT else 0.6)
    near += difflib.get_close_matches(plain, of_plain, n=2, cutoff=cutoff)
    near = [of_plain[name] for name in dict.fromkeys(near)][:3]
    return f"did you mean {' or '.join(dashes + name for name in near)}?" if near else ""


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."
