"""A TCP relay on loopback that counts."""

from __future__ import annotations

import asyncio
import threading
from types import TracebackType

from tests.fixtures.broker import free_port


class Relay:
    """Passes connections on to ``target``; ``sent`` counts the bytes towards it."""

    def __init__(self, target: int) -> None:
        self.port = free_port()
        self.sent = 0
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="relay", daemon=True)

    def __enter__(self) -> Relay:
        self._thread.start()
        serving = asyncio.start_server(self._connect, "127.0.0.1", self.port)
        asyncio.run_coroutine_threadsafe(serving, self._loop).result(5.0)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5.0)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            back, forth = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.close()
            return
        await asyncio.gather(self._copy(reader, forth, True), self._copy(back, writer, False))

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, count: bool) -> None:
        try:
            while data := await reader.read(65536):
                self.sent += len(data) if count else 0
                writer.write(data)
                await writer.drain()
        except OSError:
            pass  # one side is gone: so is the other one
        finally:
            writer.close()
