from __future__ import annotations

from edged.report.suspicion import PATIENCE, Suspicion


def test_ordinary_losses_accuse_nobody() -> None:
    suspicion = Suspicion()
    for first in range(100):
        assert suspicion.connection_ended(first, alone=False, unfit=False) == ""
        assert not suspicion.alone


def test_the_same_message_again_and_again_goes_alone_and_is_held() -> None:
    suspicion = Suspicion()
    for _ in range(PATIENCE):
        assert not suspicion.alone
        assert suspicion.connection_ended(7, alone=False, unfit=False) == ""
    assert suspicion.alone
    verdicts = [suspicion.connection_ended(7, alone=True, unfit=False) for _ in range(PATIENCE)]
    assert verdicts == ["", "", "hold"]
    assert not suspicion.alone


def test_an_answer_ends_the_suspicion() -> None:
    suspicion = Suspicion()
    for _ in range(PATIENCE):
        suspicion.connection_ended(7, alone=False, unfit=False)
    suspicion.answered(6)
    assert suspicion.alone
    suspicion.answered(7)
    assert not suspicion.alone


def test_a_clear_word_condemns_at_once_but_only_when_alone() -> None:
    suspicion = Suspicion()
    assert suspicion.connection_ended(7, alone=False, unfit=True) == ""
    assert suspicion.alone
    suspicion.answered(7)  # it was not the first one
    assert suspicion.connection_ended(8, alone=False, unfit=True) == ""
    assert suspicion.connection_ended(8, alone=True, unfit=True) == "condemn"
    assert not suspicion.alone
