"""The engine's two doors, both unix sockets: its HTTP API for docker-py, and one for the programs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingUnixStreamServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.cli.fake_host.engine import Call, FakeEngine


class _Server(ThreadingUnixStreamServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, path: Path, handler: type[StreamRequestHandler], engine: FakeEngine) -> None:
        super().__init__(str(path), handler)
        self.engine = engine
        path.chmod(0o666)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed while it waited is what the tests are about."""


class _Programs(StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        question = json.loads(self.rfile.readline())
        words = (question["program"], *question["argv"])
        call = Call(words, question["stdin"].encode("latin-1"), question["cwd"], question["environ"])
        reply = self.server.engine.answer(call)
        with suppress(BrokenPipeError):
            self.wfile.write(reply.line())


class _Api(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        self._send(*self._found(url.path, parse_qs(url.query)))

    def _found(self, path: str, query: dict[str, list[str]]) -> tuple[int, object]:
        engine = self.server.engine
        if path.endswith("/version"):
            return 200, {"ApiVersion": "1.45", "MinAPIVersion": "1.24", "Version": "26.1"}
        if path.endswith("/containers/json"):
            label = json.loads(query["filters"][0])["label"][0]
            return 200, [{"Id": container.name} for container in engine.listed(label)]
        container = engine.containers.get(path.split("/")[-2])
        return (200, container.inspected()) if container else (404, {"message": "No such container"})

    def _send(self, status: int, content: object) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        return "unix"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Say nothing."""


@contextmanager
def serving(engine: FakeEngine, api: Path, programs: Path) -> Iterator[None]:
    """Answer at the sockets ``api`` and ``programs`` while the context lasts."""
    with ExitStack() as stack:
        for server in (_Server(api, _Api, engine), _Server(programs, _Programs, engine)):
            stack.enter_context(server)
            Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
            stack.callback(server.shutdown)
        yield
