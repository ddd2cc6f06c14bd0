"""The port of the one address, taken before anything starts and kept while the webserver is started
again: whoever asks meanwhile waits.
"""

from __future__ import annotations

import socket

from storeavail_platform.domain.errors import ConfigError

HOST = "127.0.0.1"
WAITING = 128


def listen(port: int) -> socket.socket:
    """A listening socket on the loopback interface; port 0 takes a free one.

    Raises:
        ConfigError: the port is taken, or cannot be had.
    """
    listener = socket.socket()
    # ports of connections that have just ended are free; those of a living server are not
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen(WAITING)
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"port {port} of {HOST} cannot be used ({error.strerror}); what is shown there is not"
            " this. Name another by --port. Nothing was started"
        ) from error
    return listener


def port_of(listener: socket.socket) -> int:
    return int(listener.getsockname()[1])
