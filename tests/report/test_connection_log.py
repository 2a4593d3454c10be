from __future__ import annotations

from edged.report.connection_log import REPEAT, ConnectionLog

HUNG_UP, REFUSED = "the broker hung up", "the broker refuses it"


def test_an_outage_is_said_with_its_beginning_and_its_end() -> None:
    log = ConnectionLog()
    assert log.line(False, "nobody listens", 0.0) == "not connected: nobody listens"
    assert log.line(False, "nobody listens", 5.0) == ""
    assert log.line(False, "no answer", 6.0) == "not connected: no answer"
    assert log.line(True, "", 7.0) == "connected"
    assert log.line(False, HUNG_UP, 8.0) == f"not connected: {HUNG_UP}"
    assert log.line(True, "", 9.0) == "connected"


def test_what_comes_again_and_again_is_said_once_in_ten_minutes() -> None:
    log = ConnectionLog()
    said = []
    for second in range(3 * int(REPEAT)):
        said.append(log.line(second % 2 == 0, "" if second % 2 == 0 else HUNG_UP, float(second)))
    lines = [line for line in said if line]
    assert lines[0] == "connected" and lines[1] == f"not connected: {HUNG_UP}"
    assert lines[3:5] == [f"not connected: {HUNG_UP} (299 times more since this was last said)", "connected"]
    assert len(lines) == 1 + 2 * 3


def test_another_reason_is_said_within_the_same_outage_and_so_is_its_end() -> None:
    log = ConnectionLog()
    log.line(True, "", 0.0)
    log.line(False, HUNG_UP, 1.0)
    log.line(True, "", 2.0)
    assert log.line(False, HUNG_UP, 3.0) == ""
    assert log.line(False, REFUSED, 4.0) == f"not connected: {REFUSED}"
    assert log.line(True, "", 5.0) == "connected"


def test_refusals_of_single_messages() -> None:
    log = ConnectionLog()
    log.line(True, "", 0.0)
    assert log.line(True, REFUSED, 1.0) == f"connected, but {REFUSED}"
    assert log.line(True, "", 2.0) == ""
    assert log.line(True, REFUSED, 3.0) == ""
