"""Hosts that no alert is sent to."""

from __future__ import annotations

import socket

from storeavail_platform.domain.errors import ChannelFailed, ConfigError
from storeavail_platform.domain.hosts import Resolve, leads_inside


def refuse_internal(host: str, channel: str, resolve: Resolve = socket.getaddrinfo) -> None:
    """Refuse a host that is, or whose name resolves to, a link-local or metadata address.

    Raises:
        ConfigError: it is one.
        ChannelFailed: the name cannot be resolved.
    """
    try:
        is_refused = leads_inside(host, resolve)
    except OSError:
        raise ChannelFailed(
            f"channel {channel}: the host in its secret cannot be resolved; correct it, or the"
            " network's DNS"
        ) from None
    if is_refused:
        raise ConfigError(
            f"channel {channel}: the host in its secret is a link-local or metadata address;"
            " alerts are never sent to such ones"
        )
