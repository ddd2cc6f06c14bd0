"""A TCP proxy on loopback that cuts, delays or corrupts what a server answers.

It knows nothing of what it carries.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

CHUNK = 65_536


@dataclass
class Fault:
    """What happens to the answers of each connection.

    Attributes:
        cut_after: bytes after which the connection is ended; None: never.
        corrupt_after: position of a byte that is changed; None: none.
        hold: answers wait until it is set; None: they do not wait.
        then: called when a connection is cut; from several threads, for several connections.
    """

    cut_after: int | None = None
    corrupt_after: int | None = None
    hold: threading.Event | None = None
    then: Callable[[], None] | None = None


class Proxy:
    """Forwards connections to a port of this machine.

    `fault` may be changed at any time; it counts for connections made after that.
    """

    def __init__(self, port: int) -> None:
        self.target = port
        self.fault = Fault()
        self.carried = 0
        """Bytes of the longest answer until now."""
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.open: set[socket.socket] = set()
        threading.Thread(target=self._accept, name="proxy", daemon=True).start()

    def close(self) -> None:
        """Stop listening, and end what is open."""
        self.listener.close()
        for connection in list(self.open):
            _shut(connection)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                client, _ = self.listener.accept()
                threading.Thread(target=self._serve, args=(client, self.fault), daemon=True).start()

    def _serve(self, client: socket.socket, fault: Fault) -> None:
        try:
            server = socket.create_connection(("127.0.0.1", self.target))
        except OSError:
            client.close()
            return
        self.open |= {client, server}
        threading.Thread(target=self._forward, args=(client, server, None), daemon=True).start()
        self._forward(server, client, fault)
        self.open -= {client, server}

    def _forward(self, source: socket.socket, sink: socket.socket, fault: Fault | None) -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while data := source.recv(CHUNK):
                if fault is None:
                    sink.sendall(data)
                    continue
                if fault.hold is not None:
                    fault.hold.wait()
                if fault.cut_after is not None and passed + len(data) >= fault.cut_after:
                    sink.sendall(data[: fault.cut_after - passed])
                    if fault.then is not None:
                        fault.then()
                    break
                if fault.corrupt_after is not None and passed <= fault.corrupt_after < passed + len(
                    data
                ):
                    at = fault.corrupt_after - passed
                    data = data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]
                sink.sendall(data)
                passed += len(data)
                self.carried = max(self.carried, passed)
        for end in (source, sink):
            _shut(end)


def _shut(connection: socket.socket) -> None:
    # not close, which waits for a thread that reads from it
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def proxied(port: int) -> Iterator[Proxy]:
    """A proxy before a port for as long as the block lasts."""
    proxy = Proxy(port)
    try:
        yield proxy
    finally:
        proxy.close()
