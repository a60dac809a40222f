"""Backends that break the rules on purpose: what a server over TCP says is up to a function, and frames of HTTP/2 are made by hand (h2.py)."""
import socket
import struct
import threading
import time

import h2
from process import free_port


class Raw:
    """Listens on a port of 127.0.0.1 and calls `talk(socket, n)` for the nth connection, each in a thread of its own. close() ends them."""

    def __init__(self, talk):
        self.port, self.connections = free_port(), 0
        self._talk, self._open, self._lock, self._closing = talk, set(), threading.Lock(), False
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=128)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while not self._closing:
            try:
                s, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                n, self.connections = self.connections, self.connections + 1
                self._open.add(s)
            threading.Thread(target=self._run, args=(s, n), daemon=True).start()

    def _run(self, s, n):
        try:
            s.settimeout(30)
            self._talk(s, n)
        except (OSError, EOFError):
            pass  # it has gone, as it may
        finally:
            with self._lock:
                self._open.discard(s)
            s.close()

    def close(self):
        self._closing = True
        # shutdown wakes the thread in accept, which close alone does not.
        for s in (self._listener, *self._open):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self._listener.close()


class Reader:
    def __init__(self, sock):
        self.sock, self.buffer = sock, b""

    def until(self, end):
        while end not in self.buffer:
            self._more()
        got, self.buffer = self.buffer.split(end, 1)
        return got

    def exactly(self, n):
        while len(self.buffer) < n:
            self._more()
        got, self.buffer = self.buffer[:n], self.buffer[n:]
        return got

    def _more(self):
        more = self.sock.recv(1 << 16)
        if not more:
            raise EOFError
        self.buffer += more


class Http1(Raw):
    """Reads one request after another of a connection and calls `answer(connection, body, n)`, n counting requests over all connections.
    A truthy answer ends the connection. `seen` are the times of the requests."""

    def __init__(self, answer):
        self.requests, self.seen = 0, []
        self._answer = answer
        super().__init__(self._serve)

    def _serve(self, sock, _):
        r = Reader(sock)
        while True:
            head = r.until(b"\r\n\r\n").lower()
            at = head.find(b"content-length:")
            n = int(head[at + 15:].split(b"\r\n")[0]) if at >= 0 else 0
            body = r.exactly(n)
            with self._lock:
                k, self.requests = self.requests, self.requests + 1
                self.seen.append(time.monotonic())
            if self._answer(sock, body, k):
                return


class Http2(Raw):
    """Reads requests of gRPC and calls `answer(call, message, n)`, n counting requests over all connections. `settings` is the payload of its
    SETTINGS; `greets` bytes that follow them at once. With `windows=False` the client gets only the windows of its settings."""

    class Call:
        def __init__(self, sock, lock, stream):
            self.sock, self.stream, self._lock = sock, stream, lock

        def send(self, data):
            with self._lock:
                self.sock.sendall(data)

        def headers(self, *fields, end=False):
            block = b"".join(h2.literal(k, v) for k, v in fields)
            self.send(h2.frame(h2.HEADERS, h2.END_HEADERS | (h2.END_STREAM if end else 0), self.stream, block))

        def data(self, payload, end=False):
            self.send(h2.frame(h2.DATA, h2.END_STREAM if end else 0, self.stream, payload))

        def reset(self, code):
            self.send(h2.frame(h2.RST_STREAM, 0, self.stream, struct.pack(">I", code)))

        def ok(self):
            """As a good backend answers."""
            self.headers((":status", "200"), ("content-type", "application/grpc"))
            self.data(b"\0\0\0\0\0")
            self.headers(("grpc-status", "0"), end=True)

        def trailers_only(self, status, *more):
            self.headers((":status", "200"), ("content-type", "application/grpc"), ("grpc-status", str(status)), *more, end=True)

    def __init__(self, answer, settings=b"", greets=b"", windows=True):
        self.requests, self.seen = 0, []
        self._answer, self._settings, self._greets, self._windows = answer, settings, greets, windows
        super().__init__(self._serve)

    def _serve(self, sock, _):
        r, lock, bodies = Reader(sock), threading.Lock(), {}
        r.exactly(len(h2.PREFACE))
        sock.sendall(h2.frame(h2.SETTINGS, payload=self._settings) + self._greets)
        if self._windows:
            sock.sendall(h2.frame(h2.WINDOW_UPDATE, payload=struct.pack(">I", 1 << 30)))
        while True:
            head = r.exactly(9)
            payload = r.exactly(int.from_bytes(head[:3], "big"))
            kind, flags, stream = head[3], head[4], int.from_bytes(head[5:], "big")
            call = Http2.Call(sock, lock, stream)
            if kind == h2.SETTINGS and not flags & h2.ACK:
                call.send(h2.frame(h2.SETTINGS, h2.ACK))
            elif kind == h2.PING and not flags & h2.ACK:
                call.send(h2.frame(h2.PING, h2.ACK, payload=payload))
            elif kind == h2.HEADERS:
                bodies[stream] = b""
            elif kind == h2.DATA and stream in bodies:
                bodies[stream] += payload
                if payload and not flags & h2.END_STREAM:
                    update = struct.pack(">I", len(payload))
                    call.send(h2.frame(h2.WINDOW_UPDATE, 0, stream, update) + (b"" if self._windows else h2.frame(h2.WINDOW_UPDATE, payload=update)))
            if kind in (h2.DATA, h2.HEADERS) and flags & h2.END_STREAM and stream in bodies:
                with self._lock:
                    k, self.requests = self.requests, self.requests + 1
                    self.seen.append(time.monotonic())
                message = bodies.pop(stream)[5:]
                if self._answer(call, message, k):
                    return
