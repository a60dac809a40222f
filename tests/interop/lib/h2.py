"""HTTP/2 by hand: frames as bytes, and HPACK literals without tables, for clients and servers that break the rules on purpose."""
import socket
import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, ACK, END_HEADERS = 1, 1, 4


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + payload


def number(value, bits, first=0):
    """An HPACK integer (RFC 7541 5.1) behind the high bits of `first`."""
    top = (1 << bits) - 1
    if value < top:
        return bytes((first | value,))
    out, value = bytearray((first | top,)), value - top
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out) + bytes((value,))


def literal(name, value, index=False):
    """A header as a literal, added to the dynamic table if `index`."""
    n, v = (x.encode() if isinstance(x, str) else x for x in (name, value))
    return (b"\x40" if index else b"\x00") + number(len(n), 7) + n + number(len(v), 7) + v


def request(path="/opentelemetry.proto.collector.trace.v1.TraceService/Export", **more):
    """The header block of a gRPC export."""
    heads = {":method": "POST", ":scheme": "http", ":path": path, ":authority": "localhost", "content-type": "application/grpc", "te": "trailers",
             **{k.replace("_", "-"): v for k, v in more.items()}}
    return b"".join(literal(k, v) for k, v in heads.items())


class Peer:
    """One connection. `ended` says how the other side closed: the code of its GOAWAY, "closed" or "reset"."""

    def __init__(self, port, timeout=5.0, settings=b""):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout)
        self.sock.sendall(PREFACE + frame(SETTINGS, payload=settings))
        self.ended, self.buffer = None, b""

    def send(self, data):
        """False when the other side has closed; then `ended` is known."""
        try:
            self.sock.sendall(data)
            return True
        except (BrokenPipeError, ConnectionResetError):
            self.drain()
            self.ended = self.ended or "reset"
            return False

    def read(self, seconds=5.0):
        """The next frame as (kind, flags, stream, payload); None at the end of the connection. TimeoutError when nothing comes."""
        self.sock.settimeout(seconds)
        while len(self.buffer) < 9 or len(self.buffer) < 9 + int.from_bytes(self.buffer[:3], "big"):
            try:
                more = self.sock.recv(65536)
            except ConnectionResetError:
                self.ended = self.ended or "reset"
                return None
            if not more:
                self.ended = self.ended or "closed"
                return None
            self.buffer += more
        n = int.from_bytes(self.buffer[:3], "big")
        kind, flags, stream = self.buffer[3], self.buffer[4], int.from_bytes(self.buffer[5:9], "big")
        payload, self.buffer = self.buffer[9:9 + n], self.buffer[9 + n:]
        if kind == GOAWAY:
            self.ended = int.from_bytes(payload[4:8], "big")
        return kind, flags, stream, payload

    def drain(self, seconds=1.0):
        try:
            while self.read(seconds):
                pass
        except OSError:
            pass

    def answer(self, stream, seconds=5.0):
        """Reads on until that stream ends; its header blocks and data as one text of bytes."""
        got = b""
        while True:
            f = self.read(seconds)
            if f is None:
                return got
            if f[2] == stream and f[0] in (HEADERS, DATA):
                got += f[3]
                if f[1] & END_STREAM:
                    return got
            if f[2] == stream and f[0] == RST_STREAM:
                return got + b"RST"

    def close(self):
        self.sock.close()
