"""``well.py PORT``: an app that is always well. HTTP 200 to whatever is asked, one connection a request; ``/metrics``
is a page of a model server whose requests go up with each look.
"""

import asyncio
import sys

HEAD = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{}"
EDGES = ("0.01", "0.02", "0.05", "0.1", "0.2", "+Inf")
looks = 0


def page() -> str:
    global looks
    looks += 1
    rows = [f'latency_seconds_bucket{{le="{edge}"}} {10 * looks}' for edge in EDGES]
    rows += [f"latency_seconds_sum {0.05 * looks}", f"latency_seconds_count {10 * looks}"]
    rows += [f'requests_total{{status="{status}"}} {10 * looks * (status == 200)}' for status in (200, 500)]
    return "# TYPE latency_seconds histogram\n" + "\n".join(rows) + "\n"


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    if asked := await reader.read(4096):
        body = page() if asked.startswith(b"GET /metrics") else "ok\n"
        writer.write(HEAD.format(len(body), body).encode())
        await writer.drain()
    writer.close()


async def main() -> None:
    server = await asyncio.start_server(answer, "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()


asyncio.run(main())
