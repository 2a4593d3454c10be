"""Whatever a text holds, a browser reads it back as that text, and as nothing else."""

from __future__ import annotations

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from edged.report.web.markup import Html, anchor, el, text
from edged.report.web.sparkline import HEIGHT, WIDTH, path

TRICKY = st.text(st.one_of(st.characters(), st.sampled_from("<>&\"'/=!-;#`\x00\x1b\u202e\ud800")), max_size=60)


class Reading(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: dict[str, str | None] = {}
        self.words = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes.update(attrs)

    def handle_data(self, data: str) -> None:
        self.words += data

    def handle_comment(self, data: str) -> None:
        self.tags.append("comment")


def seen(value: str) -> str:
    """As it is shown: without what cannot be seen or turns the direction of what follows."""
    return text(value, 10_000)


@given(TRICKY, TRICKY)
def test_a_text_comes_back_as_it_was(inside: str, attribute: str) -> None:
    read = Reading(el("p", inside, el("b", inside), title=attribute))
    assert read.tags == ["p", "b"] and read.attributes == {"title": seen(attribute)}
    assert read.words == seen(inside) * 2
    el("p", inside, title=attribute).encode()


@given(TRICKY, st.integers(1, 40))
def test_a_cut_text_is_no_longer_than_asked_for(value: str, most: int) -> None:
    assert len(text(value, most)) <= most


@given(TRICKY)
def test_an_anchor_is_one_word(name: str) -> None:
    made = anchor("app", name)
    assert made.isascii() and not set(made) & set(" <>\"'&#\n\t") and made == anchor("app", name)


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=100))
def test_a_line_stays_in_its_frame(values: list[float]) -> None:
    x = y = 0
    for part in path(values).replace("M", " M").replace("l", " l").split(" M")[1:]:
        start, *moves = part.split(" l")
        x, y = map(int, start.split())
        for move in moves:
            dx, dy = map(int, move.split())
            x, y = x + dx, y + dy
            assert 0 <= x <= WIDTH and 0 <= y < HEIGHT
    assert isinstance(path(values), str) and not isinstance(path(values), Html)
