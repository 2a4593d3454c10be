"""Who may write and read what on the broker: each permission of the contract proved by trying it.

What is tried is named ``doctor`` where a name is free, is empty, and is never released (``mqtt_trial``): mosquitto
delivers none of it. A broker that passes QoS 2 messages on before their release shows consoles an empty message: on a
retained topic one that clears what is not there, on the others one without content, which means nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..adapters.mqtt_trial import Topic, Trial
from ..config.model import Mqtt
from ..report.payloads import topic_prefix
from .finding import Finding, fail, ok, skip, warn

_OWN = {
    # An empty retained message would take these two away from consoles.
    "status": Topic("status", False),
    "meta": Topic("meta", False),
    "app": Topic("app/doctor"),
    "alert": Topic("alert/doctor/doctor"),
    "incident": Topic("incident/doctor"),
    "metrics": Topic("metrics", False),
    "event": Topic("event", False),
    "res": Topic("res/doctor/doctor", False),
}
_COMMAND = "cmd/doctor/doctor"
_STRANGER = "doctor.trial"
"""A device that cannot be: no id has a dot. So no true one is bothered by what is tried on it."""
_FOREIGN = {"alert/doctor/doctor": "imitate", _COMMAND: "command"}
_OTHERS = f"{topic_prefix('+')}/status"
_DENIED = 128
"""Reason codes from here on mean: not taken."""
_NAME = "broker permissions"
_RELOAD = "then on the broker: sudo systemctl reload mosquitto"
_RULES = f"install config/mosquitto/edged.acl (from edged's sources) as the broker's acl_file; {_RELOAD}"
_SET_UP = "for more than a lab: set the broker up as config/mosquitto/edged.conf says (in edged's sources)"


def topics(device: str, home_assistant: bool = False) -> Sequence[Topic]:
    """What is to be tried, the forbidden first: a broker that takes few at a time shall be asked about those."""
    prefix, foreign = topic_prefix(device), topic_prefix(_STRANGER)
    forbidden = [Topic(f"{prefix}/{_COMMAND}"), *(Topic(f"{foreign}/{name}") for name in _FOREIGN)]
    described = [Topic(_described(device))] if home_assistant else []
    return [*forbidden, *(Topic(f"{prefix}/{one.name}", one.retain) for one in _OWN.values()), *described]


def _described(device: str) -> str:
    """Where Home Assistant would look for something of this device."""
    return f"homeassistant/sensor/{device}/doctor/config"


def filters(device: str) -> Sequence[str]:
    return [f"{topic_prefix(device)}/cmd/#", _OTHERS]


def judge(device: str, mqtt: Mqtt, trial: Trial) -> Iterator[Finding]:
    if trial.stranger:
        yield warn(
            _NAME,
            "nothing was tried: the broker gives every connection of this user the same client id, so this visit took "
            "the daemon's place for a moment (it connects again by itself, and no command is lost)",
            "on the broker: use_username_as_clientid false; then: sudo systemctl restart mosquitto",
        )
        return
    # Nobody has set up anything: so it is a lab, and works.
    lab = not any(code >= _DENIED for code, _ in trial.answers.values())
    yield _own(device, mqtt, trial)
    yield _commands(device, trial, lab)
    yield _others(device, trial, lab)
    yield _reading(device, trial, lab)
    yield _receiving(device, trial)
    if mqtt.home_assistant:
        yield _discovery(device, trial)


def _own(device: str, mqtt: Mqtt, trial: Trial) -> Finding:
    """By the reason codes of the acknowledgements: mosquitto says nothing else about who may do what."""
    prefix = topic_prefix(device)
    asked = {kind: trial.answers.get(f"{prefix}/{one.name}") for kind, one in _OWN.items()}
    denied = [f"{kind} ({answer[1].lower()})" for kind, answer in asked.items() if answer and answer[0] >= _DENIED]
    if denied:
        will = ", so it seems online for ever once its power is gone" if denied[0].startswith("status") else ""
        found = f"may not publish below {prefix}: {', '.join(denied)}{will}"
        return fail(_NAME, found, _identity(device, mqtt) + _RULES)
    if None in asked.values():
        missing = ", ".join(kind for kind, answer in asked.items() if answer is None)
        found = f"not known for {missing}: {trial.reason}"
        if "QoS 2" in trial.reason or "at a time" in trial.reason:
            return skip(_NAME, found, "edged status   (the daemon counts what the broker refused)")
        return fail(_NAME, found, "on the broker: retain_available true, max_qos 2; sudo tail -n 30 "
                    "/var/log/mosquitto/mosquitto.log")  # fmt: skip
    return ok(_NAME, f"may publish {', '.join(_OWN)} below {prefix}; status is the last will, too")


def _identity(device: str, mqtt: Mqtt) -> str:
    """Patterns go by the user's name: another one than the device's id is denied everything."""
    if mqtt.cert_file:
        return f"the certificate must say CN = {device}: openssl x509 -noout -subject -in {mqtt.cert_file}   and "
    if mqtt.username == device:
        return ""
    return f"set mqtt.username to {device}, and so on the broker   and "


def _commands(device: str, trial: Trial, lab: bool) -> Finding:
    name, topic = f"{_NAME} commands", f"{topic_prefix(device)}/{_COMMAND}"
    answer = trial.answers.get(topic)
    if answer is None:
        return _unknown(name, trial)
    if answer[0] >= _DENIED:
        return ok(name, "cannot write its own commands")
    found = (
        f"this device can write commands to itself ({topic_prefix(device)}/cmd/#): so can whoever gets hold of its "
        "certificate or password, and only signatures stand in the way"
    )
    rule = f"no write or readwrite rule may match {topic}; pattern read {topic_prefix('%u')}/cmd/# is enough"
    return _open(name, found, f"on the broker, in the acl_file: {rule}   or {_RULES}", lab)


def _others(device: str, trial: Trial, lab: bool) -> Finding:
    name, foreign = f"{_NAME} others", topic_prefix(_STRANGER)
    answers = {verb: trial.answers.get(f"{foreign}/{topic}") for topic, verb in _FOREIGN.items()}
    can = [verb for verb, answer in answers.items() if answer and answer[0] < _DENIED]
    if can:
        found = f"this device can {' and '.join(can)} other devices: the broker took its message for {foreign}"
        rule = f"write rules of this user begin with {topic_prefix(device)}/ or, for all, {topic_prefix('%u')}/"
        return _open(name, found, f"on the broker, in the acl_file: {rule}   or {_RULES}", lab)
    if None in answers.values():
        return _unknown(name, trial)
    return ok(name, "can neither imitate nor command another device")


def _reading(device: str, trial: Trial, lab: bool) -> Finding:
    name = f"{_NAME} reading"
    if _OTHERS not in trial.subscribed:
        return _unknown(name, trial)
    own = f"{topic_prefix(device)}/status"
    seen = sorted({topic.split("/")[2] for topic in trial.received if topic.endswith("/status") and topic != own})
    if seen:
        more = f" and {len(seen) - 3} more" if len(seen) > 3 else ""
        rule = f"the only read rule of a device is: pattern read {topic_prefix('%u')}/cmd/#"
        found = f"this device can read what others report: the status of {', '.join(seen[:3])}{more} arrived"
        return _open(name, found, f"on the broker, in the acl_file: {rule}   or {_RULES}", lab)
    if trial.subscribed[_OTHERS][0] >= _DENIED:
        return ok(name, f"may not subscribe to {_OTHERS}")
    if lab:
        return skip(name, "no status of another device arrived, but this broker has no access rules", _SET_UP)
    # All that can be seen from here: a broker with one device has nothing else to show, whatever its rules.
    return ok(name, "no status of another device arrives")


def _receiving(device: str, trial: Trial) -> Finding:
    name, topic = f"{_NAME} receiving", f"{topic_prefix(device)}/cmd/#"
    answer = trial.subscribed.get(topic)
    if answer is None:
        return _unknown(name, trial)
    if answer[0] >= _DENIED:
        rule = f"pattern read {topic_prefix('%u')}/cmd/#"
        return fail(name, f"may not subscribe to {topic} ({answer[1].lower()}): no command will arrive",
                    f"on the broker, in the acl_file: {rule}   or {_RULES}")  # fmt: skip
    found = f"the subscription to {topic} is accepted, but mosquitto 2.0 also accepts those that it will not serve"
    return skip(name, found, f"from a console, which proves it: edged fleet send {device} status.get")


def _discovery(device: str, trial: Trial) -> Finding:
    name, answer = f"{_NAME} discovery", trial.answers.get(_described(device))
    if answer is None:
        return _unknown(name, trial)
    if answer[0] < _DENIED:
        return ok(name, "may describe itself to Home Assistant")
    found = f"mqtt.home_assistant is on, but {_described(device)} may not be published ({answer[1].lower()})"
    fix = f"on the broker, in the acl_file: pattern write homeassistant/+/%u/+/config   {_RELOAD}"
    return fail(name, found, fix)


def _open(name: str, found: str, fix: str, lab: bool) -> Finding:
    return warn(name, f"{found} (this broker has no access rules)", _SET_UP) if lab else fail(name, found, fix)


def _unknown(name: str, trial: Trial) -> Finding:
    return skip(name, f"not known: {trial.reason}", "edged doctor --only broker   once this works")
