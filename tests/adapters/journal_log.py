"""Run by ``test_docker_logs_real``, where a journal is: prints what is counted of a container that writes to it."""

from __future__ import annotations

import json
import sys
import time

from edged.adapters.docker_engine import DockerEngine
from tests.adapters.test_docker_logs_real import Watch, shell
from tests.fixtures.engine import new_engine


def seen(watch: Watch, errors: int) -> str:
    """What is there in time, and a little later; then it is let go."""
    until = time.monotonic() + 20.0
    while time.monotonic() < until and watch.look().counts["errors"] < errors:
        time.sleep(0.1)
    until = time.monotonic() + 3.0
    while time.monotonic() < until:
        watch.look()
        time.sleep(0.1)
    watch.readers.stop()
    return json.dumps(watch.counts | {"kept": watch.kept})


def main() -> None:
    engine = new_engine()
    try:
        engine.start()
        engine.prepare()
        script = shell(
            "i=0; while [ $i -lt 500 ]; do echo ERROR $i; i=$((i+1)); [ $((i % 50)) = 0 ] && usleep 50000; done",
            "head -c 40000 /dev/zero | tr '\\0' x; echo; echo ERROR end",
        )
        made = engine.run("app", *script, log_config={"Type": "journald"})
        adapter = DockerEngine(engine.url)
        time.sleep(2.0)
        first = Watch(adapter, made, started=time.time() - 30.0)
        sys.stdout.write(f"{seen(first, 501)}\n")
        again = Watch(adapter, made, resume=first.position)
        sys.stdout.write(f"{seen(again, 501 - first.kept)}\n")
        engine.client.restart(made, timeout=1)
        time.sleep(2.0)
        sys.stdout.write(f"{seen(Watch(adapter, made, resume=first.position), 1002 - first.kept)}\n")
        adapter.close()
    finally:
        engine.end()


if __name__ == "__main__":
    main()
