"""Hosts that nothing is sent to: link-local and metadata addresses, however they are written."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any

METADATA = {
    ip_address(text)
    for text in ("fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "168.63.129.16")
}
"""Metadata servers of clouds that are not link-local."""
V4_IN_LAST_BITS = [
    IPv6Network(text)
    for text in ("::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48")
]
"""Networks whose addresses end with an IPv4 address, which a gateway or this machine takes for it:
v4-compatible, v4-mapped, translated (RFC 2765), NAT64 (RFC 6052 and, in a network's own prefix, RFC
8215).
"""
LOCAL_NAT64 = IPv6Network("64:ff9b:1::/48")
V4_BITS = 0xFFFFFFFF
Address = IPv4Address | IPv6Address
Resolve = Callable[..., Iterable[tuple[Any, ...]]]


def leads_inside(host: str, resolve: Resolve = socket.getaddrinfo) -> bool:
    """Whether a host is, or its name resolves to, a link-local or metadata address.

    It is asked before connecting; a name that changes its address between the two is not caught.

    Raises:
        OSError: the name cannot be resolved.
    """
    try:
        found = {ip_address(str(entry[4][0]).partition("%")[0]) for entry in resolve(host, None)}
    except UnicodeError:
        raise OSError("is not a name of a host") from None
    return any(is_internal(each) for address in found for each in (address, *ipv4_within(address)))


def is_internal(address: Address) -> bool:
    """Whether an address is link-local, a metadata server's, or nobody's."""
    return (
        address.is_link_local
        or address.is_unspecified
        or address.is_multicast
        or address in METADATA
    )


def ipv4_within(address: Address) -> Iterator[IPv4Address]:
    """The IPv4 addresses that an IPv6 address may stand for."""
    if isinstance(address, IPv4Address):
        return
    number = int(address)
    if any(address in network for network in V4_IN_LAST_BITS):
        yield IPv4Address(number & V4_BITS)
    if address in LOCAL_NAT64:
        # around the eight bits that stay empty (RFC 6052, 2.2)
        yield IPv4Address((number >> 64 & 0xFFFF) << 16 | number >> 40 & 0xFFFF)
    if address.sixtofour is not None:
        yield address.sixtofour
    yield from address.teredo or ()
