"""Things that are named with parameters on the command line, such as ``nearest-neighbors(n_neighbors=3)``."""

from __future__ import annotations

import ast
from typing import Any

from offkey.errors import InputError

__all__ = ["kebab", "parse_call", "split_outside_brackets"]


def split_outside_brackets(text: str, mark: str) -> list[str]:
    """Split at marks that stand outside of brackets; what is empty is left out.

    Examples
    --------
    >>> split_outside_brackets("spectrum(fmin=10)+raw", "+")
    ['spectrum(fmin=10)', 'raw']
    """
    parts, depth = [""], 0
    for letter in text:
        depth += (letter in "([{") - (letter in ")]}")
        if letter == mark and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts if part.strip()]


def parse_call(text: str, what: str, example: str) -> tuple[str, dict[str, Any]]:
    """Read a name and the parameters in brackets behind it; ``what`` and ``example`` are for the message.

    Raises
    ------
    InputError
        If the brackets hold no parameters.

    Examples
    --------
    >>> parse_call("nearest-neighbors(n_neighbors=3)", "detector", "")
    ('nearest-neighbors', {'n_neighbors': 3})
    """
    name, bracket, settings = text.partition("(")
    if not bracket:
        return text.strip(), {}
    try:
        call = ast.parse(f"named({settings}", mode="eval").body
        if not isinstance(call, ast.Call) or call.args or not all(each.arg for each in call.keywords):
            raise ValueError
        return name.strip(), {str(each.arg): _value(each.value) for each in call.keywords}
    except (ValueError, SyntaxError):
        raise InputError(f"The {what} {text!r} was given. Write its parameters as {example}.") from None


def kebab(name: str) -> str:
    """Return a class's name as it is written on the command line.

    Examples
    --------
    >>> kebab("NearestNeighbors")
    'nearest-neighbors'
    """
    return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("-")


def _value(node: ast.expr) -> Any:
    return node.id if isinstance(node, ast.Name) else ast.literal_eval(node)
