"""What is handed to Prometheus and Grafana: every rule does what it says, and every metric is one that edged tells."""

from __future__ import annotations

import json
import re
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from edged.report.metrics import render
from tests.fixtures.edged import Edged
from tests.fixtures.engine import REPO, Engine
from tests.fixtures.prometheus import Prometheus
from tests.web.busy import Device, busy

RULES = REPO / "config/prometheus/rules.yml"
TESTS = Path(__file__).parent / "rules.test.yml"
BOARD = json.loads((REPO / "config/grafana/edged.json").read_text())
HARDWARE = {"edged_host_temperature_celsius"}
"""Not every machine has a sensor: these are looked for on a page with all that a host can tell."""
_LITERAL = re.compile(r'"(edged_[a-z0-9_]+)"')
_METRIC = re.compile(r"\b(edged_\w+)(?:\{([^}]*)\})?")


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    return [panel for panel in BOARD["panels"] if panel["type"] != "row"]


def board_expressions() -> list[str]:
    wanted = [target["expr"] for panel in panels() for target in panel["targets"]]
    return wanted + [one["expr"] for one in BOARD["annotations"]["list"]]


def queries() -> list[str]:
    """Everything that names a metric: rules, panels, and how the choices of the dashboard are made."""
    choices = [one["definition"] for one in BOARD["templating"]["list"] if one["type"] == "query"]
    return [rule["expr"] for rule in rules()] + board_expressions() + choices


def promtool(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["promtool", *words], capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def tool(prometheus: Callable[..., Prometheus]) -> None:
    """Asked for because it says whether there is a promtool."""


def proven(folder: Path, groups: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    """The tests of the rules, on these: without descriptions, which are the same for all."""
    for group in groups["groups"]:
        for rule in group["rules"]:
            rule.get("annotations", {}).pop("description", None)
    (folder / "rules.yml").write_text(yaml.safe_dump(groups))
    plain = re.sub(r"\n +description: .*", "", TESTS.read_text())
    (folder / "test.yml").write_text(plain.replace("{rules}", str(folder / "rules.yml")))
    return promtool("test", "rules", str(folder / "test.yml"))


def test_the_rules_are_rules(tool: None) -> None:
    done = promtool("check", "rules", str(RULES))
    assert done.returncode == 0 and f"{len(rules())} rules found" in done.stdout, done.stdout + done.stderr


def test_each_alert_fires_when_it_should_and_only_then(tool: None, tmp_path: Path) -> None:
    done = proven(tmp_path, yaml.safe_load(RULES.read_text()))
    assert done.returncode == 0, done.stdout + done.stderr


ALERTS = [rule["alert"] for rule in rules() if "alert" in rule]


@pytest.mark.parametrize("changed", ["vector(1) > 2", "vector(1)"], ids=["never", "always"])
def test_each_alert_is_tested_both_ways(tool: None, tmp_path: Path, changed: str) -> None:
    """One that never fires fails the tests, and so does one that takes whatever its metrics say."""
    groups = yaml.safe_load(RULES.read_text())
    for group in groups["groups"]:
        for rule in group["rules"]:
            if "alert" in rule:
                rule["expr"] = changed
    done = proven(tmp_path, groups)
    failed = set(re.findall(r"alertname: (\w+), time:", done.stdout + done.stderr))
    assert done.returncode != 0 and failed == set(ALERTS), set(ALERTS) - failed


def test_each_alert_says_what_to_do() -> None:
    for rule in rules():
        if "alert" in rule:
            assert rule["labels"]["severity"] in ("critical", "warning"), rule
            assert len(rule["annotations"]["summary"]) > 20 and len(rule["annotations"]["description"]) > 20, rule


def test_the_dashboard_asks_what_prometheus_understands(tool: None, tmp_path: Path) -> None:
    made = [
        {"record": f"panel:{number}", "expr": expression.replace("$__rate_interval", "5m")}
        for number, expression in enumerate(board_expressions())
    ]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "board", "rules": made}]}))
    done = promtool("check", "rules", str(tmp_path / "rules.yml"))
    assert done.returncode == 0 and len(made) > 30, done.stdout + done.stderr


def test_the_dashboard_is_in_order() -> None:
    names = [panel["title"] for panel in panels()]
    assert len(set(names)) == len(names) and all(panel["description"] for panel in panels())
    numbers = [panel["id"] for panel in BOARD["panels"]]
    assert len(set(numbers)) == len(numbers)
    taken: set[tuple[int, int]] = set()
    for panel in BOARD["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells
    for panel in panels():
        assert panel["datasource"]["uid"] == "${datasource}"
        assert [t["refId"] for t in panel["targets"]] == list("ABCDEF")[: len(panel["targets"])]
        assert all(t["datasource"] == panel["datasource"] for t in panel["targets"])
    known = {one["name"] for one in BOARD["templating"]["list"]} | {"__rate_interval"}
    assert set(re.findall(r"\$\{?(\w+)", json.dumps(BOARD))) <= known | {"__all"}


def test_the_job_is_called_as_the_docs_say() -> None:
    text = (REPO / "docs/ecosystem.md").read_text()
    assert "job_name: edged" in text and 'up{job="edged"}' in RULES.read_text()
    assert all(name in text for name in ALERTS), set(ALERTS) - set(re.findall(r"\w+", text))


def told(page: str) -> dict[str, set[str]]:
    """Name of a series -> the labels that it may have."""
    found: dict[str, set[str]] = {}
    for line in page.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            parts = {"histogram": ("_bucket", "_count", "_sum"), "summary": ("", "_count", "_sum")}.get(kind, ("",))
            for part in parts:
                found.setdefault(name + part, {"le"} if part == "_bucket" else set())
        elif not line.startswith("#"):
            name, _, rest = line.partition("{")
            found.setdefault(name.split(" ")[0], set()).update(re.findall(r'(\w+)="', rest))
    return found


def test_the_handbook_lists_them_all() -> None:
    device = Device(busy())
    page = told(render(device.shot, device.source().counters, device.source().vitals).decode())
    rows = re.findall(r"^\| `(edged_\w+)` \| ([^|]*) \|", (REPO / "docs/metrics.md").read_text(), re.MULTILINE)
    listed = {name: set(re.findall(r"\w+", labels)) for name, labels in rows}
    known = {name.removesuffix("_bucket"): labels - {"le"} for name, labels in page.items()}
    parts = {name for name in known if name.endswith(("_count", "_sum"))}
    checks = {name.removesuffix("_count") for name in parts if name.endswith("_count")}
    assert listed.keys() == (known.keys() - parts) | checks and len(rows) == len(listed) > 60
    written = {
        name for source in (REPO / "edged/report").rglob("*.py") for name in _LITERAL.findall(source.read_text())
    }
    assert {name for name in written if not {name, f"{name}_total", f"{name}_info"} & listed.keys()} == set()
    for name, labels in known.items():
        assert labels <= listed.get(name, labels), name


def test_prometheus_has_no_fault_to_find_with_a_page_of_all_of_them(tool: None) -> None:
    device = Device(busy())
    page = render(device.shot, device.source().counters, device.source().vitals)
    assert b'edged_inference_latency_seconds{app="' in page
    found = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True, timeout=120, check=False)
    assert (found.returncode, found.stdout + found.stderr) == (0, b"")


def wanted() -> Iterator[tuple[str, set[str], str]]:
    """(metric, labels that are asked for, where)."""
    for expression in queries():
        for name, matchers in _METRIC.findall(expression):
            yield name, set(re.findall(r"(\w+)\s*(?:=~|!=|!~|=)", matchers)) - {"instance", "job"}, expression


@pytest.mark.engine
def test_every_metric_exists_on_the_page_of_a_real_daemon(engine: Engine, edged: Callable[..., Edged]) -> None:
    engine.run("worker")
    app = {"restart": {"enabled": False}}
    daemon = edged({"apps": {"worker": app}, "dependencies": {"plc": {"tcp": "127.0.0.1:1"}}}).start()
    daemon.wait_state("worker", "healthy")

    def page() -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{daemon.port}/metrics", timeout=10.0) as answer:
            return str(answer.read().decode())

    daemon.wait(lambda: "edged_host_cpu_busy_ratio " in page(), 30.0, "the second sample of the host")
    daemon.wait(lambda: "edged_host_disk_free_bytes{" in page(), 30.0, "the disks")
    real = told(page())
    device = Device(busy())
    all_there_is = told(render(device.shot, device.source().counters, device.source().vitals).decode())
    missing = {(name, where) for name, _, where in wanted() if name not in real and name not in HARDWARE}
    assert not missing
    assert all_there_is.keys() >= HARDWARE
    for name, labels, where in wanted():
        # Of what is not there yet on a new device, the labels are those of a busy one.
        known = real.get(name) or all_there_is.get(name) or set()
        assert labels <= known or not known, (name, labels - known, where)
    checked = {name for name, labels, _ in wanted() if labels and (real.get(name) or all_there_is.get(name))}
    assert len(checked) > 15


@pytest.mark.engine
def test_a_prometheus_scrapes_it_with_the_token(
    engine: Engine, edged: Callable[..., Edged], prometheus: Callable[..., Prometheus], tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("0123456789abcdef0123456789\n")
    daemon = edged()
    daemon.configure({"http": {"listen": f"127.0.0.1:{daemon.port}", "token_file": str(token)}})
    daemon.start()
    shown = re.search(r"```yaml\n(scrape_configs:.*?)```", (REPO / "docs/ecosystem.md").read_text(), re.DOTALL)
    assert shown
    jobs = yaml.safe_load(shown[1])
    job = jobs["scrape_configs"][0]
    job["scrape_interval"] = "1s"
    job["authorization"]["credentials_file"] = str(token)
    job["static_configs"] = [{"targets": [f"127.0.0.1:{daemon.port}"]}]
    jobs["rule_files"] = [str(RULES)]
    server = prometheus(jobs=yaml.safe_dump(jobs))
    daemon.wait(lambda: [r["value"][1] for r in server.ask("query", query='up{job="edged"}')["result"]] == ["1"], 60.0)
    daemon.wait(lambda: server.ask("query", query="edged_build_info")["result"], 30.0, "edged's own metrics")
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/api/v1/rules", timeout=30.0) as answer:
        groups = json.load(answer)["data"]["groups"]
    loaded = [rule["name"] for group in groups for rule in group["rules"]]
    assert set(ALERTS) <= set(loaded)
