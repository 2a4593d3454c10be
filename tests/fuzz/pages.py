"""Pages of metrics, good ones and all kinds of bad ones."""

from __future__ import annotations

import random
from collections.abc import Callable

SPECIAL = [
    "NaN", "+Inf", "-Inf", "-1", "0", "1e308", "1e999", "-0", "1_0", "0x1p3", "", " ", "\t", "1e", "--1", "٣",
    "9" * 400, "{",
    "}", '"', "\\", "\\n", ",", "=", "#", "# EOF", "\x00", "\r", "\x85", "\u2028", "\ud7ff", "le", "quantile",
]  # fmt: skip
NAMES = ["t_seconds", "n_total", "s_seconds", "q", "nv_inference_request_success", "request_predict_seconds", "other"]
BIG = 1_500
"""One in so many is up to ``LARGEST`` bytes."""
LARGEST = 9 * 2**20


class Pages:
    """Makes one page after another."""

    def __init__(self, random_: random.Random) -> None:
        self._random = random_
        self._counter = 0
        self._kinds: list[Callable[[], bytes]] = [
            self.good,
            self._good_lines_shuffled,
            self._mutated,
            self._mutated,
            self._lines_of_nonsense,
            self._cut,
            self._bytes,
            self._odd_buckets,
            self._many_labels,
        ]

    def next(self) -> bytes:
        random_ = self._random
        if random_.randrange(BIG) == 0:
            return self.big(random_.randrange(2**20, LARGEST))
        return random_.choice(self._kinds)()

    def good(self) -> bytes:
        """Every metric that a watched app is asked for; counters go on or begin anew."""
        random_ = self._random
        self._counter = random_.randrange(100) if random_.random() < 0.05 else self._counter + random_.randrange(500)
        n = self._counter
        lines = ["# HELP n_total Requests.", "# TYPE n_total counter", "# TYPE t_seconds histogram"]
        for status, share in (("200", 0.9), ("503", 0.1)):
            lines.append(f'n_total{{status="{status}"}} {int(n * share)}')
        for model in ("x", "y"):
            for share, edge in ((0.5, "0.1"), (0.9, "0.2"), (1.0, "+Inf")):
                lines.append(f't_seconds_bucket{{m="{model}",le="{edge}"}} {int(n * share)}')
            lines += [f't_seconds_sum{{m="{model}"}} {n / 9:.3f}', f't_seconds_count{{m="{model}"}} {n}']
            lines += [
                f's_seconds{{m="{model}",quantile="0.95"}} {random_.random():.4f}',
                f's_seconds_count{{m="{model}"}} {n}',
            ]
        lines += [f"q {random_.random():.3f}", f"nv_inference_request_success {n}", "nv_inference_request_failure 0"]
        lines += [f'request_predict_seconds_bucket{{le="{edge}"}} {n}' for edge in ("0.1", "+Inf")]
        lines += [f"request_predict_seconds_count {n}", "# EOF"]
        return "\n".join([*lines, ""]).encode()

    def _good_lines_shuffled(self) -> bytes:
        lines = self.good().splitlines(keepends=True)
        self._random.shuffle(lines)
        return b"".join(lines[: self._random.randrange(1, len(lines) + 1)])

    def _mutated(self) -> bytes:
        random_ = self._random
        text = self.good().decode()
        for _ in range(random_.randrange(1, 8)):
            at = random_.randrange(len(text))
            end = at + random_.choice([0, 1, 1, 5, 40])
            text = text[:at] + random_.choice(SPECIAL) + text[end:]
        return text.encode("utf-8", "surrogatepass")

    def _lines_of_nonsense(self) -> bytes:
        random_ = self._random
        lines = []
        for _ in range(random_.randrange(1, 60)):
            labels = ",".join(
                f'{random_.choice(["le", "quantile", "status", "m", "a-b", ""])}="{random_.choice(SPECIAL)}"'
                for _ in range(random_.randrange(4))
            )
            name = random_.choice(NAMES) + random_.choice(["", "_bucket", "_count", "_sum", "_total"])
            lines.append(f"{name}{{{labels}}} {random_.choice([*SPECIAL, '1', '2.5', '1 2', '1 2 3'])}")
        return "\n".join([*lines, ""]).encode("utf-8", "surrogatepass")

    def _cut(self) -> bytes:
        page = self.good()
        return page[: self._random.randrange(len(page))]

    def _bytes(self) -> bytes:
        return self._random.randbytes(self._random.randrange(2000))

    def _odd_buckets(self) -> bytes:
        """Any edges with any counts: falling, negative, huge, tiny, another set each time."""
        random_ = self._random
        lines = ["n_total 5", "q 1"]
        for _ in range(random_.randrange(1, 40)):
            edge = random_.choice(
                [
                    "+Inf",
                    "inf",
                    f"{random_.gauss(0, 10):.3f}",
                    f"{random_.random() * 10.0 ** random_.randrange(-300, 18):.17g}",
                ]
            )
            count = random_.choice(
                [str(random_.randrange(1000)), f"{random_.random() * 10.0 ** random_.randrange(-300, 17):.17g}"]
            )
            lines.append(f't_seconds_bucket{{m="{random_.randrange(3)}",le="{edge}"}} {count}')
        return "\n".join([*lines, ""]).encode()

    def _many_labels(self) -> bytes:
        random_ = self._random
        wide = ",".join(f'l{n}="{n}"' for n in range(random_.choice([1, 50, 101, 300])))
        long = "x" * random_.choice([1, 200, 5000, 70_000])
        sets = random_.choice([1, 10, 300])
        lines = [f'n_total{{{wide},a="{long}{random_.random()}"}} {n}' for n in range(sets)]
        return ("\n".join(lines)[:200_000] + "\n").encode() + self.good()

    def big(self, size: int) -> bytes:
        """About so many bytes of much the same."""
        random_ = self._random
        line = random_.choice(
            [b"\n", b"x", b"# HELP a b\n", b'other{a="b"} 1\n', b'n_total{status="200"} 1\n', b'n_total{a="', b"{"]
        )
        return self.good() + line * (size // len(line))
