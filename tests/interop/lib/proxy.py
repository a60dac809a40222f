"""A proxy for tests: CONNECT, requests in absolute form, and SOCKS5. Every name leads to 127.0.0.1, so that names which are not local can be used."""
import socket
import threading

from process import free_port


class Proxy:
    """Listens on 127.0.0.1:port. seen: the first line of every HTTP request, or ("socks5", host, port). login: "user:password" that is asked for."""

    def __init__(self, login=None):
        self.port, self.login = free_port(), login
        self.seen, self.refused = [], 0
        self._closing = False
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self._closing = True
        self._listener.close()

    def _accept(self):
        while not self._closing:
            try:
                s, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(s,), daemon=True).start()

    def _serve(self, s):
        try:
            with s:
                first = s.recv(1, socket.MSG_PEEK)
                if first == b"\x05":
                    self._socks(s)
                else:
                    self._http(s)
        except OSError:
            pass

    @staticmethod
    def _exactly(s, n):
        out = b""
        while len(out) < n:
            piece = s.recv(n - len(out))
            if not piece:
                raise OSError("closed")
            out += piece
        return out

    def _head(self, s):
        out = b""
        while not out.endswith(b"\r\n\r\n"):
            out += self._exactly(s, 1)
        lines = out.decode("latin-1").split("\r\n")
        return lines[0], {k.lower(): v.strip() for k, v in (line.split(":", 1) for line in lines[1:] if ":" in line)}

    def _http(self, s):
        import base64
        line, headers = self._head(s)
        want = "Basic " + base64.b64encode(self.login.encode()).decode() if self.login else None
        if want and headers.get("proxy-authorization") != want:
            self.refused += 1
            s.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            return
        self.seen.append(line)
        method, target, _ = line.split(" ")
        if method == "CONNECT":
            up = socket.create_connection(("127.0.0.1", int(target.rsplit(":", 1)[1])))
            s.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            return self._pipe(s, up)
        host, path = target.removeprefix("http://").split("/", 1)
        up = socket.create_connection(("127.0.0.1", int(host.rsplit(":", 1)[1])))
        body = self._exactly(s, int(headers.get("content-length", 0)))
        drop = ("proxy-authorization", "connection", "proxy-connection")
        head = "".join(f"{k}: {v}\r\n" for k, v in headers.items() if k not in drop)
        up.sendall(f"{method} /{path} HTTP/1.1\r\n{head}connection: close\r\n\r\n".encode() + body)
        while piece := up.recv(65536):
            s.sendall(piece)

    def _socks(self, s):
        methods = self._exactly(s, self._exactly(s, 2)[1])
        if self.login:
            if 2 not in methods:
                return s.sendall(b"\x05\xff")
            s.sendall(b"\x05\x02")
            user = self._exactly(s, self._exactly(s, 2)[1])
            password = self._exactly(s, self._exactly(s, 1)[0])
            if f"{user.decode()}:{password.decode()}" != self.login:
                self.refused += 1
                return s.sendall(b"\x01\x01")
            s.sendall(b"\x01\x00")
        else:
            s.sendall(b"\x05\x00")
        kind = self._exactly(s, 4)[3]
        host = self._exactly(s, 4) if kind == 1 else self._exactly(s, 16) if kind == 4 else self._exactly(s, self._exactly(s, 1)[0])
        port = int.from_bytes(self._exactly(s, 2), "big")
        self.seen.append(("socks5", host.decode("latin-1"), port))
        up = socket.create_connection(("127.0.0.1", port))
        s.sendall(b"\x05\x00\x00\x01\x7f\x00\x00\x01" + port.to_bytes(2, "big"))
        self._pipe(s, up)

    @staticmethod
    def _pipe(a, b):
        def copy(x, y):
            try:
                while piece := x.recv(65536):
                    y.sendall(piece)
                y.shutdown(socket.SHUT_WR)
            except OSError:
                pass
        t = threading.Thread(target=copy, args=(b, a), daemon=True)
        t.start()
        copy(a, b)
        t.join(5)
        b.close()
