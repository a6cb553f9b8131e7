"""Reads result sets for PyMySQL, in less than half its time: bin/bench tells what that is worth.

PyMySQL asks the socket twice for each packet and takes each column's description apart again at every query. Here
packets are cut out of few large reads, a description that was seen before is known, and a row's values are taken in
one loop. Everything else (log-in, sending, OK and error packets, what a type becomes) is PyMySQL's own.
"""

from __future__ import annotations

import functools
import ssl
from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

from pymysql import connections, converters, err
from pymysql.constants import CR, FIELD_TYPE
from pymysql.protocol import EOFPacketWrapper, FieldDescriptorPacket, MysqlPacket

READ_SIZE = 1 << 16
HEADER = 4  # three bytes of size, one that counts
LARGEST_PACKET = 0xFFFFFF  # one of this size goes on in the next
EOF, ERROR, NULL = 0xFE, 0xFF, 0xFB
LENGTH_SIZES = {0xFC: 2, 0xFD: 3, 0xFE: 8}  # how many bytes of length follow, by the first byte
SHORTEST_PACKET_OF_A_LONG_VALUE = 9  # it begins with the byte that an EOF begins with
BINARY = 63  # the "charset" of bytes

Decode = Callable[[bytes], Any]


class Connection(connections.Connection):
    """PyMySQL's connection, reading result sets with this module; those over TCP share one TLS context."""

    _tls: ClassVar[ssl.SSLContext | None] = None

    def _create_ssl_ctx(self, sslp: Any) -> ssl.SSLContext:
        """Make the TLS context once: it takes 20 ms and 0.8 MiB, and PyMySQL makes one for each connection."""
        if Connection._tls is None:
            Connection._tls = super()._create_ssl_ctx(sslp)  # type: ignore[misc]  # the stubs leave it out
        return Connection._tls

    def _read_query_result(self, unbuffered: bool = False) -> int:
        if unbuffered:
            raise NotImplementedError("result sets are read whole")
        self._result = None
        result = _Result(self)
        result.read()
        self._result = result
        if result.server_status is not None:
            self.server_status = result.server_status
        return result.affected_rows or 0


connect = Connection  # these two are what the pool wants of a driver
threadsafety = 1


class _Result(connections.MySQLResult):
    def _read_result_packet(self, first_packet: Any) -> None:
        connection: Any = self.connection
        encoding = connection.encoding
        packets = _packets(connection)
        columns = [_describe(next(packets), encoding) for _ in range(first_packet.read_length_encoded_integer())]
        next(packets)  # the end of the descriptions
        self.field_count = len(columns)
        self.fields = [field for field, _, _ in columns]
        self.description = tuple(description for _, description, _ in columns)
        decoders = [decode for _, _, decode in columns]
        rows = []
        for packet in packets:
            if packet[0] >= EOF and self._is_last(packet, encoding):
                break
            rows.append(_read_row(packet, decoders))
        self.affected_rows = len(rows)
        self.rows = tuple(rows)

    def _is_last(self, packet: bytes, encoding: str) -> bool:
        """Tell whether the rows end here, as they should. Raises what the server says when they end otherwise."""
        if packet[0] == ERROR:
            MysqlPacket(packet, encoding).raise_for_error()
        if len(packet) >= SHORTEST_PACKET_OF_A_LONG_VALUE:
            return False
        end: Any = EOFPacketWrapper(MysqlPacket(packet, encoding))
        self.warning_count, self.has_next = end.warning_count, end.has_next
        return True


def _packets(connection: Any) -> Iterator[bytes]:
    """Cut what the server sends into packets, headers left out. Raises OperationalError when it goes away."""
    buffer, at, begun = b"", 0, b""
    while True:
        while (there := len(buffer) - at) < HEADER or there < (size := HEADER + _size(buffer, at)):
            buffer, at = buffer[at:] + _receive(connection), 0
        packet = buffer[at + HEADER : at + size]
        at += size
        if begun or len(packet) == LARGEST_PACKET:
            begun += packet
            if len(packet) == LARGEST_PACKET:
                continue
            packet, begun = begun, b""
        yield packet


def _size(buffer: bytes, at: int) -> int:
    return int.from_bytes(buffer[at : at + 3], "little")


def _receive(connection: Any) -> bytes:
    try:
        data: bytes = connection._rfile.read1(READ_SIZE)
    except OSError as error:
        connection._force_close()
        raise err.OperationalError(CR.CR_SERVER_LOST, f"Lost connection to the server ({error})") from error
    if not data:
        connection._force_close()
        raise err.OperationalError(CR.CR_SERVER_LOST, "Lost connection to the server")
    return data


def _read_row(packet: bytes, decoders: list[Decode]) -> tuple[Any, ...]:
    row: list[Any] = []
    at = 0
    for decode in decoders:
        length = packet[at]
        at += 1
        if length >= NULL:
            if length == NULL:
                row.append(None)
                continue
            size = LENGTH_SIZES[length]
            length = int.from_bytes(packet[at : at + size], "little")
            at += size
        end = at + length
        row.append(decode(packet[at:end]))
        at = end
    return tuple(row)


# --- columns


@functools.lru_cache(maxsize=4096)
def _describe(packet: bytes, encoding: str) -> tuple[FieldDescriptorPacket, tuple[Any, ...], Decode]:
    """Read the description of a column, and how its values are read."""
    field: Any = FieldDescriptorPacket(packet, encoding)
    return field, field.description(), _decoder(field.type_code, field.charsetnr, encoding)


def _decoder(type_code: int, charset: int, encoding: str) -> Decode:
    """Return how values of a type are read: as PyMySQL reads them, the frequent ones without its detours."""
    if type_code in DECODERS:
        return DECODERS[type_code]
    if type_code == FIELD_TYPE.JSON or (type_code in connections.TEXT_TYPES and charset != BINARY):
        return functools.partial(str, encoding=encoding)
    if type_code in connections.TEXT_TYPES:
        return bytes
    convert: Callable[[str], Any] = converters.decoders.get(type_code, str)
    return lambda value: convert(value.decode("ascii"))


def _read_moment(value: bytes) -> Any:
    text = value.decode("ascii")
    try:
        return datetime.fromisoformat(text)
    except ValueError:  # '0000-00-00 00:00:00', which PyMySQL leaves a string
        return converters.convert_datetime(text)


def _read_decimal(value: bytes) -> Decimal:
    return Decimal(value.decode("ascii"))


INTEGERS = (FIELD_TYPE.TINY, FIELD_TYPE.SHORT, FIELD_TYPE.INT24, FIELD_TYPE.LONG, FIELD_TYPE.LONGLONG)
DECODERS: dict[int, Decode] = {
    **dict.fromkeys(INTEGERS, int),
    **dict.fromkeys((FIELD_TYPE.FLOAT, FIELD_TYPE.DOUBLE), float),
    **dict.fromkeys((FIELD_TYPE.DECIMAL, FIELD_TYPE.NEWDECIMAL), _read_decimal),
    **dict.fromkeys((FIELD_TYPE.DATETIME, FIELD_TYPE.TIMESTAMP), _read_moment),
}
