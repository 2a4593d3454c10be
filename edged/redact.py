"""Takes secrets out of what is shown and kept: descriptions of containers, and lines of logs. Pure.

It cannot know every secret. It knows where people write them: behind a telling name, in an ``Authorization`` header, in
a URL, and some whose shape gives them away.
"""

from __future__ import annotations

import re
from typing import Any

_NAMES = (
    r"pass(?:word|wd|phrase)?|pwd|secret|token|credentials?|private[_-]?key|(?:api|access)[_ -]?key|auth(?!or|enti)"
)
_SECRET = re.compile(
    r"pass|pwd|secret|token|credential|private|api_?key|access_?key|(?:^|[._-])key\b|auth(?!or)", re.IGNORECASE
)
_LOGIN = re.compile(r"(://)[^/\s@]{1,400}@")
_QUERY = re.compile(
    r"([?&][^=&\s]{0,60}(?:passw|secret|token|credential|key|auth|sig)[^=&\s]{0,60}=)[^&\s]*", re.IGNORECASE
)
HIDDEN = "***"
_RULES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----.*"), HIDDEN),
    # A header: the scheme may stay, what follows may not.
    (re.compile(r"(?i)(authorization[\"']?\s{0,4}[:=]\s{0,4}[\"']?(?:[a-z]{1,20} )?)[^\s\"',;]+"), rf"\1{HIDDEN}"),
    (re.compile(r"(?i)\b(bearer|basic) +[a-z0-9._~+/=-]{8,}"), rf"\1 {HIDDEN}"),
    (re.compile(r"(?i)(set-)?(cookie[\"']?\s{0,4}[:=]\s{0,4}).*"), rf"\1\2{HIDDEN}"),
    (_LOGIN, rf"\1{HIDDEN}@"),
    (_QUERY, rf"\1{HIDDEN}"),
    # user:password@tcp(host) of Go's drivers
    (re.compile(r"([\w.-]{1,64}:)[^\s:@/]{1,200}@(?=(?:tcp|udp|unix)\()"), rf"\1{HIDDEN}@"),
    (re.compile(rf"(?i)(<[a-z0-9_:-]{{0,40}}(?:{_NAMES})[a-z0-9_-]{{0,20}}>)[^<]+"), rf"\1{HIDDEN}"),
    # password=x  "api_key": "x"  DB_PASSWORD='x y'. Without quotes, all up to a space: rather too much.
    (
        re.compile(
            rf"(?i)((?:{_NAMES})[a-z0-9_-]{{0,20}}\\{{0,3}}[\"']?\s{{0,4}}(?:[:=]>?|->)\s{{0,4}})"
            r"(\\{1,3}\"[^\"\s]*|\"(?:[^\"\\]|\\.)*\"?|'[^']*'?|[^\s\"']\S*)"
        ),
        rf"\1{HIDDEN}",
    ),
    (re.compile(rf"(?i)(--(?:[a-z]{{1,20}}-)?(?:{_NAMES})[a-z-]{{0,20}}\s{{1,4}})[^\s-]\S*"), rf"\1{HIDDEN}"),
    (re.compile(r"(?i)((?:password|secret|passphrase) (?:is|was) |(?:with|using) password )\S+"), rf"\1{HIDDEN}"),
    # JSON web tokens, AWS, GitHub, Slack, Google and Stripe keys
    (re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*)?"), HIDDEN),
    (
        re.compile(
            r"\b(?:(?:AKIA|ASIA)[A-Z0-9]{12,}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{15,}"
            r"|xox[abprs]-[\w-]{10,}|AIza[\w-]{30,}|sk_(?:live|test)_\w{10,}|sk-[\w-]{20,})"
        ),
        HIDDEN,
    ),
)
_WORDS = (
    "pass", "pwd", "secret", "token", "credential", "key", "auth", "bearer", "basic", "cookie", "://", "eyj", "akia",
    "asia", "sig", "@tcp(", "@udp(", "@unix(",
    "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "xox", "aiza", "sk_live", "sk_test", "sk-",
)  # fmt: skip
"""One of these is in every line that a rule changes: most lines of most logs have none, and pass at once."""
_CONTROL = re.compile(r"\x1b\[[0-9;?]{0,20}[A-Za-z]")


def redacted(tree: Any) -> Any:
    """The engine's description of a container, or any part of it: without secrets, whatever holds them.

    In the environment, in arguments, labels and options of drivers, in health checks and what they said.
    """
    if isinstance(tree, str):
        return without_secrets(tree)
    if isinstance(tree, list):
        return _listed(tree)
    if isinstance(tree, dict):
        return {name: _named(name, value) for name, value in tree.items()}
    return tree


def _named(name: str, value: Any) -> Any:
    return HIDDEN if isinstance(value, str) and value and _SECRET.search(name) else redacted(value)


def _listed(items: list[Any]) -> list[Any]:
    """``--token x`` is two of them, and ``NAME=value`` a variable."""
    shown: list[Any] = []
    option = ""
    for item in items:
        if not isinstance(item, str):
            shown.append(redacted(item))
            continue
        name, separator, value = item.partition("=")
        if option and not item.startswith("-"):
            shown.append(HIDDEN)
        elif separator and value and _SECRET.search(name) and not any(sign in name for sign in " ?&"):
            shown.append(f"{name}={HIDDEN}")
        else:
            shown.append(without_secrets(item))
        option = item if item.startswith("-") and not separator and _SECRET.search(item) else ""
    return shown


def without_logins(text: str) -> str:
    """Of addresses alone: what stands before the host, and telling parts of the query."""
    if "://" in text:
        text = _LOGIN.sub(rf"\1{HIDDEN}@", text)
    if "=" in text and ("?" in text or "&" in text):
        text = _QUERY.sub(rf"\1{HIDDEN}", text)
    return text


def without_secrets(line: str) -> str:
    """One line of a log. What looks like a secret becomes ``***``; a cut one may leave its beginning."""
    low = line.lower()
    if not any(word in low for word in _WORDS):
        return line
    for pattern, instead in _RULES:
        line = pattern.sub(instead, line)
    return line


def sample(line: str, most: int) -> str:
    """A line that may be shown anywhere: without secrets, colours and control characters, at most ``most`` long."""
    plain = _CONTROL.sub("", line)
    clean = "".join(c if c.isprintable() else " " for c in without_secrets(plain))
    clean = " ".join(clean.split())
    return clean if len(clean) <= most else clean[: most - 1] + "…"
