# SPDX-License-Identifier: GPL-2.0
"""Requests to the kernel over netlink that the tool rdma does not make."""

import errno
import os
import socket
import struct
from collections.abc import Generator, Iterable, Iterator

# What a dump yields after each datagram.
Parts = Generator[tuple[list[int], str | None, bool], None, None]
Given = Iterable[tuple[int, int | bytes]]    # attributes

NETLINK_RDMA = 20
NLDEV = 5               # the client of NETLINK_RDMA for devices and objects
REQUEST, ACK, DUMP = 1, 4, 0x300
ERROR, DONE = 2, 3
DUMP_INTERRUPTED = 0x10

# Attributes, see include/uapi/rdma/rdma_netlink.h
DEV_INDEX, DEV_NAME, PORT_INDEX, NDEV_NAME, LINK_TYPE = 1, 2, 3, 51, 65
RES_LQPN, RES_PDN, RES_CQN, RES_MRN, RES_CM_IDN, RES_CTXN, RES_SRQN = 21, 60, 61, 62, 63, 64, 90
STAT_MODE, STAT_RES, STAT_COUNTER_ID = 74, 75, 79
RES_QP, RES_PD = 19, 46     # values of STAT_RES
# Enclose the objects of a message.
RES_QP_TABLE, RES_CM_ID_TABLE, RES_PD_TABLE, RES_SRQ_TABLE = 19, 30, 46, 88

COMMANDS = {
    "get": 1, "res_get": 9, "res_qp_get": 10, "res_cm_id_get": 11, "res_cq_get": 12,
    "res_mr_get": 13, "res_pd_get": 14, "stat_set": 16, "stat_get": 17, "stat_del": 18,
    "res_qp_get_raw": 19, "res_cq_get_raw": 20, "res_mr_get_raw": 21,
    "res_ctx_get": 22, "res_srq_get": 23, "stat_get_status": 24, "res_srq_get_raw": 25,
}
# Requests that make and remove devices.
NEW_LINK, DELETE_LINK = 3, 4


def attribute(number: int, value: int | bytes) -> bytes:
    """An attribute with a 32-bit value, or with these bytes."""
    data = value if isinstance(value, bytes) else struct.pack("=I", value)
    length = 4 + len(data)
    return struct.pack("=HH", length, number) + data + b"\0" * (-length % 4)


class Connection:
    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_RDMA)
        self.socket.settimeout(10)
        self.socket.bind((0, 0))
        self.sequence = 0

    def close(self) -> None:
        self.socket.close()

    def send(self, command: int, attributes: Given, flags: int = 0) -> None:
        self.sequence += 1
        body = b"".join(attribute(*pair) for pair in attributes)
        self.socket.send(struct.pack(
            "=IHHII", 16 + len(body), (NLDEV << 10) + command, REQUEST | flags,
            self.sequence, 0) + body)

    def receive(self, size: int = 1 << 16) -> Iterator[tuple[int, int, bytes]]:
        """The messages of one datagram: type, flags, payload."""
        data = self.socket.recv(size)
        while len(data) >= 16:
            length, type_, flags, _, _ = struct.unpack_from("=IHHII", data)
            yield type_, flags, data[16:length]
            data = data[(length + 3) & ~3:]

    def get(self, command: int, given: Given) -> str | list[tuple[int, int | str]] | None:
        """The attributes of one object, or the error."""
        self.send(command, given)
        for type_, _, payload in self.receive():
            if type_ == ERROR:
                code = -struct.unpack_from("=i", payload)[0]
                return errno.errorcode.get(code, str(code))
            return list(attributes(payload))
        return None

    def dump(self, command: int, given: Given, table: int, number: int, size: int = 1 << 16,
             most: int = 200) -> Parts:
        """Reads a dump. After each datagram it yields the numbers of its objects, the end of
        the dump if it has ended, and whether it was interrupted.

        The end is "never" if so many datagrams are not enough.
        """
        self.send(command, given, DUMP)
        for _ in range(most):
            shown: list[int] = []
            end, interrupted = None, False
            for type_, flags, payload in self.receive(size):
                interrupted |= bool(flags & DUMP_INTERRUPTED)
                if type_ in (ERROR, DONE):
                    code = -struct.unpack_from("=i", payload)[0]
                    end = errno.errorcode.get(code, str(code)) if code > 0 else "done"
                else:
                    shown += numbers_in(payload, table, number)
            yield shown, end, interrupted
            if end:
                return
        yield [], "never", False

    def answer(self, command: int, attributes: Given, flags: int = ACK, size: int = 1 << 16) -> str:
        """The error of a request, or the kind of its answer."""
        self.send(command, attributes, flags)
        found = 0
        try:
            while True:
                for type_, _, payload in self.receive(size):
                    if type_ == ERROR:
                        code = -struct.unpack_from("=i", payload)[0]
                        return errno.errorcode.get(code, str(code)) if code else \
                            f"ok after {found} messages"
                    if type_ == DONE:
                        code = -struct.unpack_from("=i", payload)[0]
                        return errno.errorcode.get(code, str(code)) if code > 0 else \
                            f"done after {found} messages"
                    found += 1
        except TimeoutError:
            return f"no answer after {found} messages"


def attributes(payload: bytes) -> Iterator[tuple[int, int | str]]:
    """Number and value of each attribute. The value is a number if it has the size of one."""
    for number, value in _parts(payload):
        yield number, (int.from_bytes(value, "little")
                       if len(value) in (1, 2, 4, 8) else value.hex())


def numbers_in(payload: bytes, table: int, number: int) -> Iterator[int]:
    """The value of one attribute of each object in a message of a dump."""
    for kind, objects in _parts(payload):
        if kind == table:
            for _, one in _parts(objects):
                for kind, value in _parts(one):
                    if kind == number:
                        yield int.from_bytes(value, "little")


def _parts(payload: bytes) -> Iterator[tuple[int, bytes]]:
    """Number and bytes of each attribute."""
    while len(payload) >= 4:
        length, number = struct.unpack_from("=HH", payload)
        # A bit of the number says that the value is nested.
        yield number & 0x3fff, payload[4:length]
        payload = payload[(max(length, 4) + 3) & ~3:]


def device_index(name: str) -> int:
    """The number of a device."""
    connection = Connection()
    try:
        connection.send(COMMANDS["get"], [], DUMP)
        while True:
            for type_, _, payload in connection.receive():
                if type_ in (ERROR, DONE):
                    raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
                if name.encode() + b"\0" in payload:
                    # The number is the first attribute, and the device's own.
                    return int.from_bytes(payload[4:8], "little")
    finally:
        connection.close()
