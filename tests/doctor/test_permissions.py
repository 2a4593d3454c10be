"""What the answers of a broker mean for who may do what."""

from __future__ import annotations

import pytest

from edged.adapters.mqtt_trial import Trial
from edged.config.model import Mqtt
from edged.doctor import permissions
from edged.doctor.finding import Finding

MQTT = Mqtt(url="mqtt://h", username="a")
DENIED = (135, "Not authorized")
OWN = ["status", "meta", "app", "alert", "incident", "metrics", "event", "res"]


def tell(
    *denied: str, received: tuple[str, ...] = (), refused: tuple[str, ...] = (), mqtt: Mqtt = MQTT
) -> dict[str, Finding]:
    """``denied``: beginnings of topics below edged/v1/. ``refused``: the same for subscriptions."""

    def answer(topic: str, no: tuple[str, ...]) -> tuple[int, str]:
        return DENIED if topic.startswith(tuple(f"edged/v1/{one}" for one in no)) else (16, "No matching subscribers")

    trial = Trial(
        connected=True, received=received,
        answers={topic.name: answer(topic.name, denied) for topic in permissions.topics("a")},
        subscribed={one: answer(one, refused) for one in permissions.filters("a")},
    )  # fmt: skip
    return found(permissions.judge("a", mqtt, trial))


def found(findings: object) -> dict[str, Finding]:
    assert hasattr(findings, "__iter__")
    told = {one.name.removeprefix("broker permissions").strip() or "own": one for one in findings}
    assert all(one.verdict == "ok" or one.fix for one in told.values())
    return told


def verdicts(told: dict[str, Finding]) -> str:
    return " ".join(one.verdict for one in told.values())


STRICT = ("a/cmd", "doctor.trial")


@pytest.mark.parametrize(
    ("told", "expected", "name", "text"),
    [
        (tell(*STRICT), "ok ok ok ok skip", "own", "last will"),
        (tell(), "ok warn warn skip skip", "others", "imitate and command other devices"),
        (tell(received=("edged/v1/b/status",)), "ok warn warn warn skip", "reading", "status of b arrived"),
        (tell("a", "doctor.trial"), "fail ok ok ok skip", "own", "online for ever"),
        (tell("a/event", *STRICT), "fail ok ok ok skip", "own", "below edged/v1/a: event (not authorized)"),
        (tell("doctor.trial"), "ok fail ok ok skip", "commands", "can write commands to itself"),
        (tell("a/cmd"), "ok ok fail ok skip", "others", "imitate and command"),
        (tell("a/cmd", "doctor.trial/alert"), "ok ok fail ok skip", "others", "can command other"),
        (tell("a/cmd", "doctor.trial/cmd"), "ok ok fail ok skip", "others", "can imitate other"),
        (tell(*STRICT, received=("edged/v1/a/status", "edged/v1/a/cmd/x")), "ok ok ok ok skip", "reading", "no status"),
        (tell(*STRICT, received=tuple(f"edged/v1/{one}/status" for one in "edcb")), "ok ok ok fail skip", "reading",
         "of b, c, d and 1 more arrived"),
        (tell(*STRICT, refused=("a/",)), "ok ok ok ok fail", "receiving", "no command will arrive"),
        (tell(*STRICT, refused=("+/",)), "ok ok ok ok skip", "reading", "may not subscribe to edged/v1/+/status"),
    ],
)  # fmt: skip
def test_verdicts(told: dict[str, Finding], expected: str, name: str, text: str) -> None:
    assert verdicts(told) == expected and text in told[name].text, told


def test_whom_the_broker_should_know() -> None:
    named = tell("a", "doctor.trial")["own"].fix
    assert named.startswith("install config/mosquitto/edged.acl")
    other = tell("a", "doctor.trial", mqtt=Mqtt(url="mqtt://h", username="b"))["own"].fix
    assert other.startswith("set mqtt.username to a")
    certified = tell("a", "doctor.trial", mqtt=Mqtt(url="mqtts://h", cert_file="/c.pem"))["own"].fix
    assert certified.startswith("the certificate must say CN = a: openssl x509 -noout -subject -in /c.pem")


def test_what_is_asked_can_reach_no_console_as_news() -> None:
    asked = permissions.topics("a")
    assert {topic.name.split("/")[3] for topic in asked if "/a/" in topic.name} == {*OWN, "cmd"}
    for topic in asked:
        # An empty retained message clears: only where nothing but the doctor's own could be.
        assert topic.name.endswith("/doctor") or not topic.retain, topic


def test_a_visit_broken_off() -> None:
    told = found(permissions.judge("a", MQTT, Trial(connected=True, reason="the broker ended the connection")))
    assert verdicts(told) == "fail skip skip skip skip"
    assert all("the broker ended the connection" in one.text for one in told.values())
    half = Trial(connected=True, reason="it ended", answers={"edged/v1/a/cmd/doctor/doctor": DENIED})
    assert verdicts(found(permissions.judge("a", MQTT, half))) == "fail ok skip skip skip"


def test_somebody_elses_session() -> None:
    (told,) = found(permissions.judge("a", MQTT, Trial(connected=True, stranger=True))).values()
    assert told.verdict == "warn" and "use_username_as_clientid false" in told.fix
