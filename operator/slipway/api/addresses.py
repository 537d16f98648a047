"""Addresses of a host itself, of its link and of its cloud's metadata: nobody serves bundles or numbers there."""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

METADATA: Final = (
    "169.254.0.0/16",  # link-local: where most clouds answer a machine about itself
    "168.63.129.16/32",  # Azure
    "100.100.100.200/32",  # Alibaba Cloud
    "fe80::/10",
    "fd00:ec2::254/128",  # AWS
    "fd20:ce::254/128",  # Google
)
"""What a node's cloud tells it about itself, credentials included."""
_BLOCKS: Final = tuple(map(ip_network, METADATA))

_NAT64: Final = IPv6Network("64:ff9b::/96")
"""The well-known prefix (RFC 6052): the last 32 bits are the IPv4 address that a translator puts in its place."""
_V4_BITS: Final = 32


def each_way(block: str) -> Iterator[str]:
    """A block of addresses by every way that leads there: one of IPv4 also as NAT64 has it."""
    yield block
    network = ip_network(block)
    if isinstance(network, IPv4Network):
        address = _NAT64.network_address + int(network.network_address)
        yield str(IPv6Network((address, _NAT64.prefixlen + network.prefixlen)))


def is_part(block: str, of: str) -> bool:
    """Whether a block lies in another one that has more than it."""
    inner, outer = ip_network(block, strict=False), ip_network(of, strict=False)
    return inner.prefixlen > outer.prefixlen and inner.network_address in outer


def is_near(host: str) -> bool:
    """Whether an address, as the resolver writes it, is this host's, its link's, or its cloud's metadata."""
    address = _plain(ip_address(host.partition("%")[0]))
    own = address.is_loopback or address.is_link_local or address.is_unspecified
    return own or any(address in block for block in _BLOCKS)


def _plain(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The address of IPv4 that one of IPv6 stands for, where it does."""
    if isinstance(address, IPv4Address):
        return address
    return address.ipv4_mapped or (IPv4Address(int(address) % 2**_V4_BITS) if address in _NAT64 else address)
