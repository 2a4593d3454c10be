"""The child's main: read the order, give up what is not needed, check, tell."""

from __future__ import annotations

import os
import sys

import msgspec

from .confine import confine
from .types import ModelCheck, Order, Verdict

_MAX_ORDER = 2**20


def main() -> int:
    """Exit code 0 when there is a verdict, good or bad; 3 when the child could not be confined."""
    # Libraries print; their noise must not get between the verdicts.
    out = os.dup(1)
    os.dup2(2, 1)
    order = msgspec.json.decode(sys.stdin.buffer.read(_MAX_ORDER), type=Order)
    try:
        network = confine(order.memory_limit, order.cpu_seconds, order.parent)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"the check cannot limit itself: {error}\n")
        return 3

    def tell(verdict: Verdict) -> None:
        """Told after every stage, so that figures survive a crash in the next one."""
        os.write(out, msgspec.json.encode(msgspec.structs.replace(verdict, network=network)) + b"\n")

    # Imported when it is known which one is needed, and under the limits.
    if isinstance(order.request, ModelCheck):
        from .model import check_model

        check_model(order.request, tell)
    else:
        from .documents import check_config

        check_config(order.request, tell)
    return 0
