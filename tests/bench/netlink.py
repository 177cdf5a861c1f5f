# SPDX-License-Identifier: GPL-2.0
"""Dumps the protection domains of an RDMA device over netlink.

As `rdma resource show pd` does, but without printing them.
"""

import socket
import struct
from collections.abc import Iterator

NETLINK_RDMA = 20
RDMA_NL_NLDEV = 5
RDMA_NLDEV_CMD_GET = 1
RDMA_NLDEV_CMD_RES_PD_GET = 14
RDMA_NLDEV_ATTR_DEV_INDEX = 1
RDMA_NLDEV_ATTR_DEV_NAME = 2
NLM_F_REQUEST = 1
NLM_F_DUMP = 0x300
NLMSG_ERROR = 2
NLMSG_DONE = 3

HEADER = struct.Struct("=IHHII")
ATTRIBUTE = struct.Struct("=HH")
# As large as that of the rdma tool: the kernel fills what it is given.
BUFFER = 4096


class Link:
    """A netlink connection to the RDMA core."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_RDMA)
        self._socket.bind((0, 0))

    def _dump(self, command: int, attributes: bytes = b"") -> Iterator[bytes]:
        """Sends a request and gives each message of the answer."""
        kind = RDMA_NL_NLDEV << 10 | command
        self._socket.send(HEADER.pack(HEADER.size + len(attributes), kind,
                                      NLM_F_REQUEST | NLM_F_DUMP, 1, 0) + attributes)
        while True:
            data = self._socket.recv(BUFFER)
            while data:
                size, kind, *_ = HEADER.unpack_from(data)
                if kind == NLMSG_DONE:
                    return
                if kind == NLMSG_ERROR:
                    raise OSError(-struct.unpack_from("=i", data, HEADER.size)[0], "netlink")
                yield data[HEADER.size:size]
                data = data[(size + 3) & ~3:]

    def index(self, device: str) -> int:
        """The number of a device, by its name."""
        devices = [dict(_attributes(message)) for message in self._dump(RDMA_NLDEV_CMD_GET)]
        index, = (found[RDMA_NLDEV_ATTR_DEV_INDEX] for found in devices
                  if found[RDMA_NLDEV_ATTR_DEV_NAME].rstrip(b"\0") == device.encode())
        return int.from_bytes(index, "little")

    def dump_pds(self, index: int) -> int:
        """Dumps all PDs of a device; how many bytes that were."""
        attribute = ATTRIBUTE.pack(8, RDMA_NLDEV_ATTR_DEV_INDEX) + struct.pack("=I", index)
        return sum(map(len, self._dump(RDMA_NLDEV_CMD_RES_PD_GET, attribute)))


def _attributes(message: bytes) -> Iterator[tuple[int, bytes]]:
    while message:
        size, kind = ATTRIBUTE.unpack_from(message)
        yield kind, message[ATTRIBUTE.size:size]
        message = message[(size + 3) & ~3:]
