"""Bundles by URL. Imported when the first one is fetched."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ...bundles import Held, Rules, Source, Staged


def obtain(
    url: str,
    downloads: Path,
    rules: Rules,
    use: Callable[[Source], Staged],
    held: Held,
    timeout: float,
    over: Callable[[], bool],
    rate: int,
) -> Staged:
    """``staging.Obtain``. Raises ``BundleRefused``, ``PortError`` and ``OSError``."""
    from ..bundle_http import obtain as over_http
    from ..download import Options

    return over_http(url, downloads, rules, use, Options(within=timeout, over=over, rate=rate or None), held)
