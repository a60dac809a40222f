"""A receiver of Prometheus remote write that takes requests apart: 1.0 and 2.0, series as sorted tuples that can be compared."""
import http.server
import struct
import threading

from process import free_port

STALE = 0x7FF0000000000002


def unsnappy(data):
    """Snappy's block format."""
    size, at = _varint(data, 0)
    out = bytearray()
    while at < len(data):
        tag = data[at]
        at += 1
        kind = tag & 3
        if kind == 0:
            n = tag >> 2
            if n >= 60:
                extra = n - 59
                n = int.from_bytes(data[at:at + extra], "little")
                at += extra
            out += data[at:at + n + 1]
            at += n + 1
            continue
        if kind == 1:
            n, offset = (tag >> 2 & 7) + 4, (tag >> 5) << 8 | data[at]
            at += 1
        else:
            width = 2 if kind == 2 else 4
            n, offset = (tag >> 2) + 1, int.from_bytes(data[at:at + width], "little")
            at += width
        for _ in range(n):
            out.append(out[-offset])
    assert len(out) == size, f"{len(out)} bytes instead of {size}"
    return bytes(out)


def _varint(data, at):
    value = shift = 0
    while True:
        b = data[at]
        at += 1
        value |= (b & 127) << shift
        if b < 128:
            return value, at
        shift += 7


def fields(data):
    """[(number, wire type, value)]: ints of varints, bytes of the others."""
    at, out = 0, []
    while at < len(data):
        tag, at = _varint(data, at)
        wire = tag & 7
        if wire == 0:
            value, at = _varint(data, at)
        elif wire == 1:
            value, at = data[at:at + 8], at + 8
        elif wire == 2:
            n, at = _varint(data, at)
            value, at = data[at:at + n], at + n
        elif wire == 5:
            value, at = data[at:at + 4], at + 4
        else:
            raise ValueError(f"wire type {wire}")
        out.append((tag >> 3, wire, value))
    return out


def _packed(data, signed=False):
    at, out = 0, []
    while at < len(data):
        v, at = _varint(data, at)
        out.append((v >> 1) ^ -(v & 1) if signed else v)
    return out


def _number(raw):
    """A double as something that equals itself."""
    bits = struct.unpack("<Q", raw)[0]
    value = struct.unpack("<d", raw)[0]
    return "stale" if bits == STALE else "NaN" if value != value else value


def _int(v):
    return v - (1 << 64) if v >= 1 << 63 else v


def _zigzag(v):
    return (v >> 1) ^ -(v & 1)


def _sample(data):
    f = {n: v for n, _, v in fields(data)}
    return "sample", _number(f.get(1, bytes(8))), _int(f.get(2, 0))


def _histogram(data):
    """With its buckets by index, so that two ways to write the same are equal."""
    one, spans, deltas = {}, {8: [], 11: []}, {9: [], 12: []}
    for n, wire, v in fields(data):
        if n in spans:
            s = {k: x for k, _, x in fields(v)}
            spans[n].append((_zigzag(s.get(1, 0)), s.get(2, 0)))
        elif n in deltas:
            deltas[n] += _packed(v, True) if wire == 2 else [_zigzag(v)]
        else:
            one[n] = v

    def buckets(span, delta):
        index = count = at = 0
        out = {}
        for offset, length in spans[span]:
            index += offset
            for _ in range(length):
                count += deltas[delta][at]
                if count:
                    out[index] = count
                at += 1
                index += 1
        return tuple(sorted(out.items()))

    return ("histogram", one.get(1, 0), _number(one.get(3, bytes(8))), _zigzag(one.get(4, 0)), _number(one.get(5, bytes(8))), one.get(6, 0),
            buckets(8, 9), buckets(11, 12), _int(one.get(15, 0)))


def decode(body, v2):
    """([(labels, what)], [metadata]): a line for each sample, histogram and exemplar, with the sorted labels of its series."""
    lines, metadata = [], []
    symbols = [v.decode() for n, _, v in fields(body) if n == 4] if v2 else []

    def refs(raw):
        r = _packed(raw)
        return [(symbols[r[i]], symbols[r[i + 1]]) for i in range(0, len(r), 2)]

    def label(raw):
        f = {n: v.decode() for n, _, v in fields(raw)}
        return f.get(1, ""), f.get(2, "")

    for n, _, raw in fields(body):
        if not v2 and n == 3:
            f = {k: v for k, _, v in fields(raw)}
            metadata.append((f.get(2, b"").decode(), f.get(1, 0), f.get(4, b"").decode(), f.get(5, b"").decode()))
        if n != (5 if v2 else 1):
            continue
        labels, what = [], []
        for k, _, v in fields(raw):
            if k == 1:
                labels += refs(v) if v2 else [label(v)]
            elif k == 2:
                what.append(_sample(v))
            elif k == (3 if v2 else 4):
                what.append(_histogram(v))
            elif k == (4 if v2 else 3):
                e = {2: bytes(8), 3: 0}
                on = []
                for j, _, x in fields(v):
                    if j == 1:
                        on += refs(x) if v2 else [label(x)]
                    else:
                        e[j] = x
                what.append(("exemplar", tuple(sorted(on)), _number(e[2]), _int(e[3])))
            elif k == 5 and v2:
                f = {j: x for j, _, x in fields(v)}
                what.append(("metadata", f.get(1, 0), symbols[f.get(3, 0)], symbols[f.get(4, 0)]))
        assert [x for x, _ in labels] == sorted(x for x, _ in labels), f"labels are not sorted: {labels}"
        assert len({x for x, _ in labels}) == len(labels), f"a label is there twice: {labels}"
        lines += [(tuple(labels), w) for w in what]
    return lines, metadata


class Receiver:
    """Listens on a port of 127.0.0.1. plan: a function of the request's ordinal that returns None (take it) or (status, headers, text).

    lines and metadata: what was taken; requests: [(path, headers, lines)] of all."""

    def __init__(self, plan=None):
        self.plan, self.lines, self.metadata, self.requests = plan or (lambda n: None), [], [], []
        receiver, lock = self, threading.Lock()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {k.lower(): v for k, v in self.headers.items()}
                v2 = "v2" in headers.get("content-type", "")
                lines, metadata = decode(unsnappy(body), v2)
                with lock:
                    answer = receiver.plan(len(receiver.requests))
                    receiver.requests.append((self.path, headers, lines))
                    if answer is None:
                        receiver.lines += lines
                        receiver.metadata += metadata
                status, more, text = answer or (204, {}, "")
                self.send_response(status)
                for k, v in more.items():
                    self.send_header(k, v)
                if status != 204:
                    self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                if status != 204:
                    self.wfile.write(text.encode())

            def log_message(self, *_):
                pass

        self.port = free_port()
        self._httpd = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._httpd.handle_error = lambda *_: None  # collectors that end reset their connections
        self._httpd.daemon_threads = True
        threading.Thread(target=self._httpd.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/api/v1/write"

    def close(self):
        self._httpd.shutdown()
        self._httpd.server_close()
