"""A small real inference service to watch, break and heal: one file, Python with numpy and onnxruntime.

    python inference_app.py --port 18080 --model DIR_OR_FILE [--host 127.0.0.1] [--faults]

GET /health, GET /metrics, POST /predict; SIGHUP reloads the model, SIGTERM ends at once. With `--faults`,
POST /fault/{hang,unhealthy,leak?mb_per_s=20,slow?ms=500,errors?ratio=0.5,crash,clear} breaks it on purpose.
It is mounted alone into a container, so it imports nothing of the daemon that watches it.
"""

from __future__ import annotations

import argparse
import bisect
import hashlib
import json
import mmap
import os
import queue
import signal
import socketserver
import sys
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

MIB = 1 << 20
MAX_BODY, MAX_WINDOWS, MAX_SAMPLE = MIB, 512, 1e6  # bytes, windows per request, g
BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)  # seconds
ROUTES = {"/health": "GET", "/metrics": "GET", "/predict": "POST"}
FAULTS = {  # name -> (its query parameter, default, largest value)
    "hang": ("", 1.0, 1.0),
    "unhealthy": ("", 1.0, 1.0),
    "leak": ("mb_per_s", 20.0, 4096.0),
    "slow": ("ms", 500.0, 600_000.0),
    "errors": ("ratio", 0.5, 1.0),
    "crash": ("", 1.0, 1.0),
    "clear": ("", 1.0, 1.0),
}


class BadRequestError(Exception):
    """The client's mistake; the text goes back with status 400."""


class Model(NamedTuple):
    """One loaded model; a request keeps the one it started with while a reload swaps it."""

    session: Any
    name: str  # of the bundle, else of the file
    digest: str  # sha256 of the model file, hex
    width: int  # samples per window
    accuracy: float | None = None  # share of golden vectors reproduced; None without golden vectors


class Faults:
    """The faults now injected. `free` is set unless requests hang; `leaking` ends the current leak."""

    def __init__(self) -> None:
        self.free, self.leaking, self.lock = threading.Event(), threading.Event(), threading.Lock()
        self.clear()

    def clear(self) -> None:
        """Back to a healthy service: hanging requests go on and leaked memory is given back."""
        self.unhealthy, self.slow_s, self.error_ratio, self.error_debt = False, 0.0, 0.0, 0.0
        self.leaking.set()
        self.free.set()

    def start(self, name: str, value: float) -> None:
        """Inject fault `name` with its parameter `value` (MiB/s, ms or a share)."""
        if name == "hang":
            self.free.clear()
        elif name == "unhealthy":
            self.unhealthy = True
        elif name == "slow":
            self.slow_s = value / 1000
        elif name == "errors":
            self.error_ratio, self.error_debt = value, 0.0
        elif name == "leak":
            self.leaking.set()
            self.leaking = threading.Event()
            threading.Thread(target=leak, args=(value, self.leaking), daemon=True).start()
        elif name == "clear":
            self.clear()

    def fails_now(self) -> bool:
        """Whether this prediction must fail; evenly spread rather than drawn, so that drills repeat."""
        with self.lock:
            self.error_debt += self.error_ratio
            failing = self.error_debt >= 1.0
            self.error_debt -= failing
        return failing


class Service:
    """The model being served, the metrics and the faults; shared by all request threads."""

    def __init__(self, path: Path) -> None:
        self.path, self.problem = path, "loading"
        self.model: Model | None = None
        self.faults, self.lock = Faults(), threading.Lock()
        self.reloads: queue.SimpleQueue[None] = queue.SimpleQueue()  # its put() is safe in a signal handler
        self.requests: Counter[tuple[str, str, int]] = Counter()  # (method, path, status)
        self.durations: Counter[int] = Counter()  # bucket index
        self.seconds, self.predictions = 0.0, 0

    def keep_loading(self) -> None:
        """Load the model, then again after each SIGHUP; a model that fails leaves the old one serving."""
        while True:
            try:
                self.model = load(self.path)
                print(f"model {self.model.name} sha256 {self.model.digest} loaded", file=sys.stderr, flush=True)
            except Exception as problem:  # onnxruntime's errors share no narrower base
                self.problem = f"{type(problem).__name__}: {problem}"
                print(f"model not loaded: {self.problem}", file=sys.stderr, flush=True)
            self.reloads.get()

    def health(self) -> tuple[int, dict[str, Any]]:
        """Status and body of /health."""
        if self.faults.unhealthy:
            return 500, {"status": "unhealthy"}
        if (model := self.model) is None:
            return 503, {"status": "loading", "detail": self.problem}
        return 200, {"status": "ok", "model": model.name, "model_digest": model.digest}

    def predict(self, body: bytes) -> tuple[int, dict[str, Any]]:
        """Status and body of /predict: one score per window, above 1.0 for an anomaly."""
        model, started = self.model, time.perf_counter()
        if model is None:
            return 503, {"error": self.problem}
        windows = parse_windows(body, model.width)
        time.sleep(self.faults.slow_s)
        if self.faults.fails_now():
            return 500, {"error": "injected fault"}
        scores = [float(score) for score in model.session.run(["score"], {"window": windows})[0]]
        elapsed = time.perf_counter() - started
        with self.lock:
            self.durations[bisect.bisect_left(BUCKETS, elapsed)] += 1
            self.seconds += elapsed
            self.predictions += len(scores)
        return 200, {"scores": scores, "model_digest": model.digest}

    def metrics(self) -> str:
        """All metrics in the Prometheus text format 0.0.4, by hand: a client library would slow the start."""
        with self.lock:
            requests, durations = dict(self.requests), Counter(self.durations)
            seconds, predictions = self.seconds, self.predictions
        name = "model_prediction_duration_seconds"
        lines = [f"# HELP {name} Time to answer a prediction request.", f"# TYPE {name} histogram"]
        for index, bound in enumerate((*BUCKETS, "+Inf")):
            below = sum(count for bucket, count in durations.items() if bucket <= index)
            lines.append(f'{name}_bucket{{le="{bound}"}} {below}')
        lines += [f"{name}_sum {seconds}", f"{name}_count {durations.total()}"]
        lines += ["# HELP http_requests_total Requests answered.", "# TYPE http_requests_total counter"]
        for (method, path, status), count in sorted(requests.items()):
            labels = f'method="{method}",path="{path}",status="{status}"'
            lines.append(f"http_requests_total{{{labels}}} {count}")
        lines += ["# HELP model_predictions_total Windows scored.", "# TYPE model_predictions_total counter"]
        lines.append(f"model_predictions_total {predictions}")
        if (model := self.model) is not None and model.accuracy is not None:
            name = "model_accuracy_ratio"
            lines += [f"# HELP {name} Share of golden vectors reproduced.", f"# TYPE {name} gauge"]
            lines.append(f"{name} {model.accuracy}")
        name = "process_resident_memory_bytes"
        resident = int(Path("/proc/self/statm").read_text().split()[1]) * mmap.PAGESIZE
        lines += [f"# HELP {name} Resident memory.", f"# TYPE {name} gauge", f"{name} {resident}"]
        return "\n".join(lines) + "\n"


class Server(ThreadingHTTPServer):
    """The listening socket and what its request threads share."""

    request_queue_size = 128  # a hanging drill must show as waiting requests, not as refused connections

    def __init__(self, address: tuple[str, int], service: Service, faults: bool) -> None:
        self.service, self.faults_enabled = service, faults
        super().__init__(address, Handler)

    def server_bind(self) -> None:
        """Bind without HTTPServer's reverse name look-up, which may wait seconds for DNS."""
        socketserver.TCPServer.server_bind(self)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no error of ours."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """One connection; requests on it are answered in turn."""

    server: Server
    protocol_version = "HTTP/1.1"
    timeout = 30  # seconds an idle connection keeps its thread
    wbufsize = -1  # headers and body leave in one segment, else Nagle's algorithm adds 40 ms
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """Answer a GET."""
        url = urlsplit(self.path)
        known = url.path in ROUTES or url.path.removeprefix("/fault/") in FAULTS
        try:
            status, answer = self.route(url.path, dict(parse_qsl(url.query)), self.body())
        except BadRequestError as problem:
            status, answer = 400, {"error": str(problem)}
        with self.server.service.lock:
            label = url.path if known else "other"  # clients must not be able to make endless series
            self.server.service.requests[self.command, label, status] += 1
        kind, text = "application/json", json.dumps(answer) + "\n"
        if isinstance(answer, str):
            kind, text = "text/plain; version=0.0.4; charset=utf-8", answer
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(data)
        self.wfile.flush()
        if url.path == "/fault/crash" and status == 200:
            os._exit(3)

    do_POST = do_GET

    def body(self) -> bytes:
        """The request's body; refuses what cannot be measured or is too long."""
        length = self.headers.get("Content-Length", "0")
        measured = "Transfer-Encoding" not in self.headers and length.isdecimal() and len(length) < 10
        if not measured or int(length) > MAX_BODY:
            self.close_connection = True  # the unread body would be taken for the next request
            raise BadRequestError(f"the body needs a Content-Length of at most {MAX_BODY}")
        return self.rfile.read(int(length))

    def route(self, path: str, query: dict[str, str], body: bytes) -> tuple[int, dict[str, Any] | str]:
        """Status and answer; a dict is sent as JSON, a str as metrics text."""
        service = self.server.service
        fault = path.removeprefix("/fault/") if path.startswith("/fault/") else ""
        if fault in FAULTS and self.server.faults_enabled:
            if self.command != "POST":
                return 405, {"error": "use POST"}
            parameter, value, largest = FAULTS[fault]
            if parameter in query:
                value = parse_number(parameter, query[parameter], largest)
            answer: dict[str, Any] = {"fault": fault, **({parameter: value} if parameter else {})}
            print(json.dumps(answer), file=sys.stderr, flush=True)
            service.faults.start(fault, value)
            return 200, answer
        service.faults.free.wait()
        if path not in ROUTES:
            return 404, {"error": "not found"}
        if self.command != ROUTES[path]:
            return 405, {"error": f"use {ROUTES[path]}"}
        if path == "/metrics":
            return 200, service.metrics()
        return service.health() if path == "/health" else service.predict(body)

    def log_message(self, *_: Any) -> None:
        """No access log: /metrics counts the requests."""


def load(path: Path) -> Model:
    """Read and try the model at `path`, a file or a bundle folder; raises when it cannot serve."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # onnxruntime >= 1.29 reports to its maker otherwise
    import numpy as np  # here and not above: the port answers before these heavy imports are done
    import onnxruntime as ort

    path = path.resolve()  # once: a bundle link swapped meanwhile must not mix two versions
    folder = path if path.is_dir() else path.parent
    manifest = folder / "manifest.json"
    bundle = json.loads(manifest.read_bytes()) if manifest.is_file() else {}
    about = bundle.get("model", {})
    file = folder / about.get("file", "model.onnx") if path.is_dir() else path
    data = file.read_bytes()
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    width = int({port.name: port.shape for port in session.get_inputs()}["window"][1])
    session.run(["score"], {"window": np.zeros((1, width), np.float32)})  # a model that cannot run fails here
    model = Model(session, bundle.get("name", file.name), hashlib.sha256(data).hexdigest(), width)
    golden = {"file": "golden.npz", "rtol": 1e-4, "atol": 1e-5} | about.get("golden", {})
    if not (folder / golden["file"]).is_file():
        return model
    with np.load(folder / golden["file"], allow_pickle=False) as stored:
        vectors = dict(stored)
    right = np.ones(len(vectors["window"]), dtype=bool)
    for name in vectors.keys() - {"window"}:
        got, expected = session.run([name], {"window": vectors["window"]})[0], vectors[name]
        near = np.isclose(got, expected, rtol=golden["rtol"], atol=golden["atol"])
        right &= near.reshape(len(right), -1).all(axis=1)
    return model._replace(accuracy=float(right.mean()))


def parse_windows(body: bytes, width: int) -> Any:
    """Body of /predict -> float32 [n, width] in g; raises BadRequestError on anything else."""
    import numpy as np

    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as problem:
        raise BadRequestError(f"the body is not JSON: {problem}") from None
    if not isinstance(document, dict) or ("window" in document) == ("windows" in document):
        raise BadRequestError("the body must be an object with either `window` or `windows`")
    try:
        windows = np.asarray([document["window"]] if "window" in document else document["windows"])
    except (ValueError, OverflowError):  # ragged lists, integers beyond a double
        windows = np.empty(0)
    numbers = windows.dtype.kind in "iuf" and windows.ndim == 2 and windows.shape[1] == width
    if not numbers or not 1 <= len(windows) <= MAX_WINDOWS:
        raise BadRequestError(f"expected 1 to {MAX_WINDOWS} windows of {width} numbers")
    if not (np.abs(windows.astype(np.float64)) <= MAX_SAMPLE).all():  # NaN is not <= either
        raise BadRequestError(f"samples must be finite and within {MAX_SAMPLE:.0f} g")
    return windows.astype(np.float32)


def parse_number(name: str, text: str, largest: float) -> float:
    """Query parameter `name` as a number in 0..`largest`."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= largest:
        raise BadRequestError(f"{name} must be a number from 0 to {largest:g}")
    return value


def leak(mib_per_s: float, stop: threading.Event) -> None:
    """Allocate and touch memory at `mib_per_s` until `stop`; mmap, so that stopping returns all of it."""
    held: list[mmap.mmap] = []
    started, filling = time.monotonic(), b"\x01" * MIB
    while not stop.wait(0.02):
        while len(held) < (time.monotonic() - started) * mib_per_s and not stop.is_set():
            held.append(mmap.mmap(-1, MIB, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
            held[-1].write(filling)
    for block in held:
        block.close()


def main() -> None:
    """Parse the command line and serve until a signal ends the process."""
    parser = argparse.ArgumentParser(description="Serve an anomaly model over HTTP.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=18080, help="0 picks a free one, named on stderr")
    parser.add_argument("--model", type=Path, required=True, metavar="DIR_OR_FILE")
    parser.add_argument("--faults", action="store_true", help="allow POST /fault/...")
    options = parser.parse_args()
    service = Service(options.model)
    signal.signal(signal.SIGHUP, lambda *_: service.reloads.put(None))
    for number in (signal.SIGTERM, signal.SIGINT):  # explicit: the kernel ignores both for a PID 1 without handler
        signal.signal(number, lambda *_: os._exit(0))
    with Server((options.host, options.port), service, options.faults) as server:
        print("listening on {}:{}".format(*server.server_address[:2]), file=sys.stderr, flush=True)
        threading.Thread(target=service.keep_loading, daemon=True).start()
        server.serve_forever()


if __name__ == "__main__":
    main()
