"""Asking an app itself: does it answer a bundle's smoke inputs as its model should?"""

from __future__ import annotations

from time import monotonic

from ...bundles.smoke import MOST_ANSWER, SmokeTest, difference
from ...ports import ArtifactError, Prober

NOT_YET = (429, 502, 503, 504)
"""Statuses of an app, or of a proxy before it, that may answer in a moment."""


def send(prober: Prober, test: SmokeTest, base: str, timeout: float) -> int:
    """How many requests below the URL ``base`` were answered as expected: all of them.

    Within ``timeout`` seconds, and the test's own, for all of them. No redirect is followed. Raises
    ``ArtifactError("smoke")`` at the first answer that is another one, ``ArtifactError("not_ready")`` when it is that
    of an app which cannot answer yet, ``ArtifactError("timeout")``, and ``Unreachable`` when there is no answer.
    """
    allowed = min(timeout, test.seconds)
    deadline = monotonic() + allowed
    for number, request in enumerate(test.requests, 1):
        left = deadline - monotonic()
        if left <= 0:
            done, count = number - 1, len(test.requests)
            raise ArtifactError("timeout", f"the app answered {done} of {count} smoke requests within {allowed:g}s")
        status, answer = prober.call(
            request.method,
            base.rstrip("/") + request.path,
            left,
            body=request.content,
            content_type=request.content_type,
            most=MOST_ANSWER,
        )
        if found := difference(request, status, answer, test.rtol, test.atol):
            raise ArtifactError("not_ready" if status in NOT_YET else "smoke", found)
    return len(test.requests)
