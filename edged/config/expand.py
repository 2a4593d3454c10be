"""``${NAME}`` in values, filled in from the environment. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from .units import Unreadable

_VARIABLE = re.compile(r"\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)\}|\$\{")
# A short text can name a long variable many times.
_LONGEST = 65536


def expand(text: str, env: Mapping[str, str], *, secret: bool = False) -> str:
    """``text`` with its variables filled in; ``$${`` stands for a plain ``${``. ``Unreadable`` names what is unset."""
    if "${" not in text:
        return text
    parts: list[str] = []
    unset: list[str] = []
    end = length = 0
    for match in _VARIABLE.finditer(text):
        name = match[1]
        if match[0] == "${":
            raise Unreadable("", "holds a ${ that begins no variable", "write ${NAME}, or $${ for a plain ${")
        if name is None:
            value = "${"
        elif name in env:
            value = env[name]
        else:
            value = ""
            # In a secret, only what looks like a variable's name is surely not a part of the secret itself.
            unset.append(name if not secret or name.isupper() else "named here")
        parts += (text[end : match.start()], value)
        end = match.end()
        length += len(parts[-2]) + len(value)
        if length > _LONGEST:
            raise Unreadable("", "becomes too long with its variables filled in")
    if unset:
        names = ", ".join(dict.fromkeys(unset))
        what = f"variables {names} are" if "," in names else f"variable {names} is"
        raise Unreadable("", f"the environment {what} not set", "set it, or write $${ for a plain ${")
    return "".join(parts) + text[end:]
