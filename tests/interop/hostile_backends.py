"""Hostile backends: whatever one answers, or does not, memory stays bounded, clients and the other backend are served, and the ledger balances."""
import base64
import gzip
import struct
import time

import grpc
import h2
import ledger
import collectors
import otlp
from backends import Http1, Http2
from bombs import varint
from hostile import memory
from loss import Load, names, names_of
from process import Scratch, free_port, wait_until
from registry import add as register
from registry import beyond_the_reference

MB = 1 << 20
REQUESTS, SPANS = 30, 5


class Books:
    """Which spans a backend was asked to take, and which it has taken."""

    def __init__(self):
        self.asked, self.taken = [], []

    def read(self, message):
        m = otlp.REQUEST["traces"]()
        m.ParseFromString(message)
        got = names([m])
        self.asked += got
        return got

    def good_grpc(self, call, message):
        self.taken += self.read(message)
        call.ok()

    def good_http(self, sock, body):
        self.taken += self.read(body)
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n")


def at_first(count, bad, then=None):
    """`bad` for the first `count` requests, then the good answer."""
    def answer(books, call, message, n):
        if n >= count:
            return (then or (Books.good_http if hasattr(call, "sendall") else Books.good_grpc))(books, call, message)
        books.read(message)
        return bad(call)
    return answer


def always(bad):
    return at_first(1 << 30, bad)


def against(kind, answer, fate, most_mb=64, why=None, tries=None, gap=None, server=None, exporter=None, check=None):
    """`fate` is what becomes of every span: "sent", "taken" (sent, and known to the backend as such) or "dropped", then with the reason `why`, or "either"."""
    beyond_the_reference("its ledger is naru's")
    from sink import Sink
    with Scratch() as s:
        books, good = Books(), s.closing(Sink())
        bad = s.closing((Http2 if kind == "grpc" else Http1)(lambda call, message, n: answer(books, call, message, n), **(server or {})))
        port, own = free_port(), free_port()
        shared = {"compression": "none", "timeout": "2s", "retry_on_failure": {"initial_interval": "50ms", "max_interval": "200ms", "max_elapsed_time": "25s"},
                  "sending_queue": {"num_consumers": 4}, **(exporter or {})}
        name = "otlp_grpc/bad" if kind == "grpc" else "otlp_http/bad"
        exporters = {name: {"endpoint": f"127.0.0.1:{bad.port}", "tls": {"insecure": True}, **shared} if kind == "grpc" else
                     {"endpoint": f"http://127.0.0.1:{bad.port}", **shared},
                     "otlp_grpc/good": {"endpoint": f"127.0.0.1:{good.grpc_port}", "tls": {"insecure": True}}}
        c = collectors.start(s, "collector", collectors.NARU, {
            "receivers": {"otlp": collectors.otlp_receiver(grpc=port)}, "exporters": exporters,
            "service": {"telemetry": {"metrics": {"readers": [{"pull": {"exporter": {"prometheus": {"host": "127.0.0.1", "port": own}}}}]}},
                        "pipelines": collectors.pipelines(["otlp"], list(exporters), signals=("traces",))}}, (port, own))
        load = s.closing(Load(port))
        worst = 0
        for _ in range(REQUESTS):
            begin = time.monotonic()
            a = load.send(SPANS, timeout=5)
            worst = max(worst, time.monotonic() - begin)
            assert a.code == grpc.StatusCode.OK, a
        assert worst < 1, f"a client waited {worst:.2f} s"
        want = names_of(load.acknowledged)
        wait_until(lambda: set(names(good.messages("traces"))) == want, 10, 0.05, "the other backend has everything")

        def rows():
            return ledger.rows(own)

        def of(entry, **more):
            return ledger.total(rows(), "otelcol_naru_ledger_items", kind="exporter", id=name, entry=entry, **more)

        wait_until(lambda: of("entered") == len(want) and of("held") == 0, 40, 0.1, f"its exporter has nothing left; {c.tail()}")
        assert not ledger.imbalance(rows()), ledger.imbalance(rows())
        sent, dropped = of("sent"), of("dropped")
        assert sent + dropped + of("refused") == len(want)
        if fate == "dropped":
            assert dropped == len(want) and (why is None or of("dropped", reason=why) == dropped), [r for r in rows() if r[0].endswith("ledger_items")]
        elif fate == "either":
            assert dropped and set(books.taken) <= want and len(set(books.taken)) == sent, (sent, dropped)
        else:
            assert sent == len(want), f"{sent} sent and {dropped} dropped; {c.tail()}"
        if fate == "taken":
            assert set(books.taken) == want, f"{len(want - set(books.taken))} spans are booked as sent and were not taken"
        if tries is not None:
            assert bad.requests <= tries, f"{bad.requests} requests for {REQUESTS}"
        if check:
            check(bad)
        assert c.alive(), c.tail()
        log = c.stderr()
        assert max(map(len, log.splitlines())) < 4000, "a backend's words fill the log"
        most = memory(c.pid)
        assert most <= most_mb, f"{most:.0f} MB"
        assert c.stop(seconds=20) == 0, c.tail()


def hostile(name, *arguments, **keys):
    register(f"hostile/backend/{name}", lambda: against(*arguments, **keys), seconds=90)


# ---- gRPC: answers that are trailers only



def retry_info(seconds):
    """The header with a google.rpc.Status that names a delay, which may be longer than a byte of varint."""
    delay = b"\x08" + varint(seconds)
    info = b"\x0a" + varint(len(delay)) + delay
    url = b"type.googleapis.com/google.rpc.RetryInfo"
    detail = b"\x0a" + varint(len(url)) + url + b"\x12" + varint(len(info)) + info
    return "grpc-status-details-bin", base64.b64encode(b"\x08\x0e\x12\x01x\x1a" + varint(len(detail)) + detail).decode().rstrip("=")


UNAVAILABLE, INVALID, EXHAUSTED = 14, 3, 8


def waited_a_second(bad):
    assert bad.seen[1] - bad.seen[0] >= 0.95, f"tried again after {bad.seen[1] - bad.seen[0]:.2f} s"


hostile("trailers-only-ok", "grpc", lambda b, call, message, n: (b.taken.extend(b.read(message)), call.trailers_only(0))[0], "taken", tries=REQUESTS)
hostile("trailers-only-unavailable", "grpc", at_first(8, lambda call: call.trailers_only(UNAVAILABLE)), "taken")
hostile("trailers-only-unavailable-with-delay", "grpc", at_first(1, lambda call: call.trailers_only(UNAVAILABLE, retry_info(1))), "taken",
        exporter={"sending_queue": {"num_consumers": 1}}, check=waited_a_second)
hostile("trailers-only-invalid", "grpc", always(lambda call: call.trailers_only(INVALID, ("grpc-message", "no"))), "dropped", why="refused_by_backend",
        tries=2 * REQUESTS)
hostile("trailers-only-exhausted", "grpc", always(lambda call: call.trailers_only(EXHAUSTED)), "dropped", why="refused_by_backend", tries=2 * REQUESTS)
hostile("trailers-only-exhausted-with-delay", "grpc", at_first(1, lambda call: call.trailers_only(EXHAUSTED, retry_info(1))), "taken",
        exporter={"sending_queue": {"num_consumers": 1}}, check=waited_a_second)
hostile("status-that-is-none", "grpc", always(lambda call: call.trailers_only("OK")), "dropped", why="refused_by_backend")
hostile("no-status", "grpc", always(lambda call: call.headers((":status", "200"), ("content-type", "application/grpc"), end=True)), "dropped")
hostile("delay-of-years", "grpc", always(lambda call: call.trailers_only(UNAVAILABLE, retry_info((1 << 63) - 1))), "dropped", why="retries_exhausted")

# ---- gRPC: too much


def huge_head(call):
    for _ in range(40):
        call.headers((":status", "103"), ("x-huge", "h" * 15000))


def endless_body(call, size=24 * MB):
    call.headers((":status", "200"), ("content-type", "application/grpc"))
    call.data(b"\0\xff\xff\xff\xff")
    for _ in range(size // 16384):
        call.data(bytes(16384))


def bomb(call):
    call.headers((":status", "200"), ("content-type", "application/grpc"), ("grpc-encoding", "gzip"))
    body = struct.pack(">BI", 1, len(BOMB)) + BOMB
    for at in range(0, len(body), 16384):
        call.data(body[at:at + 16384])
    call.headers(("grpc-status", "0"), end=True)


BOMB = gzip.compress(bytes(200 * MB))
hostile("huge-heads", "grpc", at_first(8, huge_head), "taken")
hostile("huge-message", "grpc", at_first(8, lambda call: call.trailers_only(UNAVAILABLE, ("grpc-message", "m" * 15000))), "taken")
hostile("huge-message-for-good", "grpc", always(lambda call: call.trailers_only(INVALID, ("grpc-message", "m" * 15000))), "dropped")
hostile("endless-body", "grpc", at_first(4, endless_body), "taken")
hostile("length-of-4-gib", "grpc", lambda b, call, message, n: (b.taken.extend(b.read(message)), call.headers((":status", "200"), ("content-type", "application/grpc")),
                                                               call.data(b"\0\xff\xff\xff\xffabc"), call.headers(("grpc-status", "0"), end=True))[0], "taken")
hostile("compressed-bomb", "grpc", lambda b, call, message, n: (b.taken.extend(b.read(message)), bomb(call))[0], "taken")

# ---- HTTP/2: frames


def goaway(call, last):
    call.send(h2.frame(h2.GOAWAY, payload=struct.pack(">II", last, 0)))


hostile("goaway-at-once", "grpc", at_first(6, lambda call: (goaway(call, 0), True)[1]), "taken")
hostile("goaway-midstream", "grpc", at_first(6, lambda call: (goaway(call, call.stream), call.headers((":status", "200"), ("content-type", "application/grpc")),
                                                            call.data(b"\0\0"), True)[-1]), "taken")
hostile("goaway-and-silence", "grpc", at_first(3, lambda call: goaway(call, 0x7fffffff)), "taken")
hostile("refused-streams", "grpc", at_first(20, lambda call: call.reset(7)), "taken")
hostile("reset-streams", "grpc", at_first(20, lambda call: call.reset(2)), "taken")
hostile("reset-flood", "grpc", at_first(4, lambda call: call.send(h2.frame(h2.RST_STREAM, 0, call.stream, struct.pack(">I", 8)) * 50000)), "taken")
hostile("reset-of-what-never-was", "grpc", at_first(4, lambda call: call.send(h2.frame(h2.RST_STREAM, 0, call.stream + 2000, struct.pack(">I", 8)))), "taken")
hostile("settings-flood", "grpc", at_first(4, lambda call: call.send(h2.frame(h2.SETTINGS, payload=struct.pack(">HI", 4, 65535)) * 50000)), "taken")
hostile("ping-flood", "grpc", at_first(4, lambda call: call.send(h2.frame(h2.PING, payload=b"12345678") * 50000)), "taken")
hostile("window-overflow", "grpc", at_first(4, lambda call: call.send(h2.frame(h2.WINDOW_UPDATE, payload=struct.pack(">I", 0x7fffffff)) * 2)), "taken")
hostile("empty-data-flood", "grpc", at_first(4, lambda call: (call.headers((":status", "200")), call.send(h2.frame(h2.DATA, 0, call.stream) * 50000))[0]), "taken")
hostile("push", "grpc", at_first(4, lambda call: call.send(h2.frame(5, 4, call.stream, struct.pack(">I", 2) + h2.request()))), "taken")
hostile("garbage-frames", "grpc", at_first(4, lambda call: call.send(bytes(range(256)) * 200)), "taken")
hostile("tiny-windows", "grpc", at_first(0, None), "taken", server={"settings": struct.pack(">HI", 4, 1), "windows": False})
# What is sent before the settings are there, in the window that HTTP/2 begins with, gets through.
hostile("windows-that-never-open", "grpc", at_first(0, None), "either", server={"settings": struct.pack(">HI", 4, 0)},
        exporter={"timeout": "300ms", "retry_on_failure": {"initial_interval": "50ms", "max_interval": "100ms", "max_elapsed_time": "900ms"}})
hostile("odd-settings", "grpc", at_first(0, None), "taken",
        server={"settings": struct.pack(">HIHIHIHI", 1, 0xffffffff, 6, 1, 5, 0xffffff, 0xabcd, 7), "greets": h2.frame(0xee, payload=b"unknown")})
hostile("one-stream-at-a-time", "grpc", at_first(0, None), "taken", server={"settings": struct.pack(">HI", 3, 1)})
hostile("half-closed", "grpc", at_first(4, lambda call: call.sock.shutdown(1)), "taken")
hostile("closed", "grpc", at_first(4, lambda call: True), "taken")
hostile("silent", "grpc", at_first(4, lambda call: None), "taken", exporter={"timeout": "500ms"})

# ---- HTTP/1.1

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\n"
BUSY = b"HTTP/1.1 503 Busy\r\n"


def says(*pieces, closes=True):
    def answer(sock):
        for p in pieces:
            sock.sendall(p)
        return closes
    return answer


def taken_and(answer):
    """The backend takes the spans, and its answer is odd all the same: they must not come twice."""
    def both(books, sock, body, n):
        books.taken += books.read(body)
        return answer(sock)
    return both


ENDLESS = [b"x" * MB] * 16
hostile("http-length-of-4-gib", "http", taken_and(says(OK, b"Content-Length: 4294967296\r\n\r\n", b"x" * 1000)), "taken", tries=REQUESTS)
hostile("http-length-of-4-gib-and-busy", "http", at_first(8, says(BUSY, b"Content-Length: 4294967296\r\n\r\n", b"x" * 1000)), "taken")
hostile("http-endless-body", "http", taken_and(says(OK, b"\r\n", *ENDLESS)), "taken", tries=REQUESTS)
hostile("http-endless-chunks", "http", at_first(8, says(BUSY, b"Transfer-Encoding: chunked\r\n\r\n", *[b"100000\r\n" + b"x" * MB + b"\r\n"] * 16)), "taken")
hostile("http-chunk-of-16-eib", "http", at_first(8, says(BUSY, b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nab")), "taken")
hostile("http-huge-head", "http", at_first(8, says(OK, *[b"X-A: " + b"h" * 8000 + b"\r\n"] * 400)), "taken")
hostile("http-interim-flood", "http", at_first(8, says(*[b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n" * 1000] * 50)), "taken")
hostile("http-garbage", "http", at_first(8, says(bytes(range(256)) * 100)), "taken")
hostile("http-no-status", "http", at_first(8, says(b"HTTP/1.1 abc OK\r\n\r\n")), "taken")
hostile("http-two-answers", "http", at_first(8, says(BUSY, b"Content-Length: 0\r\n\r\n", BUSY, b"Content-Length: 0\r\n\r\n", closes=False)), "taken")
hostile("http-half-closed", "http", at_first(8, lambda sock: sock.shutdown(1)), "taken")
hostile("http-closed", "http", at_first(8, lambda sock: True), "taken")
hostile("http-cut-short", "http", at_first(8, says(OK, b"Content-Length: 100\r\n\r\nabc")), "taken")
hostile("http-silent", "http", at_first(4, lambda sock: None), "taken", exporter={"timeout": "500ms"})
hostile("http-huge-message", "http", always(says(b"HTTP/1.1 400 Bad\r\nContent-Length: 3000000\r\n\r\n", b"m" * 3000000)), "dropped", why="refused_by_backend")
hostile("http-bomb", "http", taken_and(says(OK, b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(BOMB), BOMB)), "taken", tries=REQUESTS)
hostile("http-delay-of-years", "http", always(says(BUSY, b"Retry-After: 999999999\r\nContent-Length: 0\r\n\r\n", closes=False)), "dropped", why="retries_exhausted")
