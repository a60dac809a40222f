"""Hostile clients and backends: while each does its worst, memory stays bounded and a well-behaved client is served."""
import json
import re
import signal
import struct
import sys
import threading
import time
from pathlib import Path

import collectors
import h2
import otlp
from process import Scratch, free_port, wait_until
from registry import Skip, beyond_the_reference, test
from registry import add as register

ATTACKS = Path(__file__).resolve().parent / "lib" / "attacks.py"


def memory(pid, key="VmHWM"):
    """MB of a process: VmHWM is the most that it ever had, VmRSS what it has."""
    with open(f"/proc/{pid}/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith(key)) / 1024


class Target:
    """naru with an otlp receiver on both protocols, and its processes around it."""

    def __init__(self, scratch, processors=None, http_keys=None, exporter=None):
        self.scratch, self.grpc, self.http = scratch, free_port(), free_port()
        name, block = exporter or ("nop", {})
        self.child = collectors.start(scratch, "collector", collectors.NARU, {
            "receivers": {"otlp": {"protocols": {"grpc": {"endpoint": f"127.0.0.1:{self.grpc}"},
                                                 "http": {"endpoint": f"127.0.0.1:{self.http}", **(http_keys or {})}}}},
            "processors": processors or {}, "exporters": {name: block},
            "service": {"telemetry": collectors.plain(), "pipelines": collectors.pipelines(["otlp"], [name], list(processors or {}))}},
            (self.grpc, self.http))

    def witness(self, seconds):
        """A well-behaved client: 200 requests a second, refusals are not forgiven."""
        return self.scratch.start("witness", [collectors.NARU_BINARY, "send", "traces", "--endpoint", f"127.0.0.1:{self.grpc}", "--no-retry", "--count", 0,
                                              "--size", 5, "--rate", 1000, "--workers", 50, "--duration", f"{seconds}s"])

    def attack(self, name, port, seconds):
        return self.scratch.start(name, [sys.executable, "-B", ATTACKS, name, port, seconds])

    def most(self):
        assert self.child.alive(), f"the collector ended: {self.child.tail()}"
        return memory(self.child.pid)


def served(witness, seconds, worst_ms):
    """The witness ended well: everything accepted, and 99 of 100 answers within the bound."""
    status = witness.wait(seconds)
    text = witness.stdout()
    assert status == 0, f"a well-behaved client was not served: {witness.tail()}"
    late = float(re.search(r"p99 ([0-9.]+)", text)[1])
    assert late <= worst_ms, f"a well-behaved client waited: {text}"


def attacked(name, check, protocol="grpc", most_mb=64, worst_ms=250, seconds=6, **target):
    with Scratch() as s:
        t = Target(s, **target)
        witness = t.witness(seconds)
        a = t.attack(name, getattr(t, protocol), seconds - 1)
        served(witness, seconds + 15, worst_ms)
        assert a.wait(20) == 0, a.tail()
        report = json.loads(a.stdout())
        check(report)
        assert t.most() <= most_mb, f"{t.most():.0f} MB, {report}"
        collectors_last = t.child.stop()
        assert collectors_last == 0, t.child.tail()


def cut_off(most, codes=("11",)):
    """The attacker was thrown out, each time before it had sent more than `most` pieces, with one of the reasons."""
    def check(report):
        assert report["ends"], f"nobody stopped it: {report}"
        assert report["most"] <= most, report
        assert any(c in report["ends"] for c in codes), f"no reason given: {report}"
    return check


def all_refused(report):
    assert report["asked"] >= 2000 and report["refused"] == report["asked"], report


def all_closed(report):
    assert report["held"] == 0 and report["closed"] == 2000, report


def bounded_streams(report):
    assert report["sent"] > 1000, report


GOING = ("1", "2", "11", "closed", "reset")
for _name, _check, _more in (
        ("rapid_reset", cut_off(200, GOING), {}),
        ("continuation", cut_off(1000, GOING), {}),
        ("empty_continuation", cut_off(100000, GOING), {}),
        ("settings", cut_off(20000, GOING + ("stuck",)), {}),
        ("ping", cut_off(1000, GOING), {}),
        ("hpack_bomb", lambda r: None, {}),
        ("empty_data", lambda r: None, {}),
        ("zero_window", bounded_streams, {}),
        ("huge_prefixes", all_refused, {}),
        ("many_messages", lambda r: None, {}),
        ("slowloris", all_closed, {"protocol": "http", "seconds": 10, "http_keys": {"read_header_timeout": "2s", "read_timeout": "3s"}})):
    register(f"hostile/{_name.replace('_', '-')}", lambda n=_name, c=_check, m=_more: (beyond_the_reference("measured on naru"), attacked(n, c, **m)), seconds=60)


@test("hostile/split-grpc-prefixes", seconds=30)
def split_prefixes():
    """A prefix that comes a byte a frame, with empty frames between, is a prefix all the same."""
    with Scratch() as s:
        t = Target(s)
        p = h2.Peer(t.grpc)
        body = otlp.REQUEST["traces"]().SerializeToString()
        text = struct.pack(">BI", 0, len(body)) + body
        p.send(h2.frame(h2.HEADERS, h2.END_HEADERS, 1, h2.request()))
        for i, b in enumerate(text):
            p.send(h2.frame(h2.DATA, 0, 1) + h2.frame(h2.DATA, h2.END_STREAM if i == len(text) - 1 else 0, 1, bytes((b,))))
            time.sleep(0.02)
        got = p.answer(1)
        assert b"\0\0\0\0\0" in got or b"\0\0\0\0\x02\x0a\0" in got, got
        # Cut in the middle of the prefix: refused, and the connection lives.
        p.send(h2.frame(h2.HEADERS, h2.END_HEADERS, 3, h2.request()) + h2.frame(h2.DATA, h2.END_STREAM, 3, b"\0\0\0"))
        assert b"\0\0\0\0\0" not in p.answer(3)
        p.send(h2.frame(h2.HEADERS, h2.END_HEADERS, 5, h2.request()) + h2.frame(h2.DATA, h2.END_STREAM, 5, text))
        assert b"\0\0\0\0\0" in p.answer(5)


@test("hostile/idle-connections", seconds=90)
def idle_connections():
    """10,000 HTTP/2 connections that were served once and wait: at most 40 MB, and others are served."""
    beyond_the_reference("measured on naru")
    import resource
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 10500:
        raise Skip("this machine allows too few open files")
    with Scratch() as s:
        t = Target(s)
        a = t.attack("idle", t.grpc, 25)
        wait_until(lambda: a.stdout() or not a.alive(), 25, 0.1, f"10,000 connections; {a.tail()}")
        assert json.loads(a.stdout().splitlines()[0])["served"] == 10000, a.tail()
        served(t.witness(2), 20, 100)
        rss = memory(t.child.pid, "VmRSS")
        assert rss <= 100, f"{rss:.1f} MB"
        print(f"        10,000 idle connections: {rss:.1f} MB")


@test("hostile/tiny-requests", seconds=60)
def tiny():
    """100,000 requests of one span on one connection."""
    with Scratch() as s:
        t = Target(s)
        status, text, err = s.run([collectors.NARU_BINARY, "send", "traces", "--endpoint", f"127.0.0.1:{t.grpc}", "--count", 100000, "--size", 1, "--workers",
                                   100, "--no-retry"], seconds=50)
        assert status == 0 and text.startswith("100000 records in 100000 requests accepted"), text + err
        assert t.most() <= 40, f"{t.most():.1f} MB"


@test("hostile/decompression-bombs", seconds=90)
def bombs():
    """8 clients with bombs in every encoding, and with bodies that only just fit: 64 MiB and 10 % at most, and small requests are answered."""
    beyond_the_reference("measured on naru")
    import zlib
    # Field 15, which nobody knows and nobody looks into, with as much as the limit of a request allows.
    fits = b"\x7a" + varint((20 << 20) - 5) + bytes((20 << 20) - 5)
    bodies = []
    for content in (fits, bytes(400 << 20)):
        bodies += [(e, otlp.SQUEEZE[e](content)) for e in ("gzip", "zlib", "zstd")]
    with Scratch() as s:
        t = Target(s, {"memory_limiter": {"check_interval": "1s", "limit_mib": 64}})
        end, seen, problems = time.monotonic() + 10, {}, []

        def client(k):
            n = k
            while time.monotonic() < end:
                encoding, body = bodies[n % len(bodies)]
                n += 1
                try:
                    a = otlp.http_request(t.http, "POST", "/v1/traces", body, {"Content-Type": "application/x-protobuf", "Content-Encoding": encoding})
                    seen[a.status] = seen.get(a.status, 0) + 1
                except OSError as e:
                    problems.append(repr(e))

        threads = [threading.Thread(target=client, args=(k,)) for k in range(8)]
        for x in threads:
            x.start()
        for x in threads:
            x.join()
        assert not problems, problems[:3]
        assert set(seen) <= {200, 400, 413, 503}, seen
        assert seen.get(413), seen
        assert t.most() <= 64 * 1.1, f"{t.most():.1f} MB with a limit of 64; {seen}"
        assert otlp.post(t.http, "traces", otlp.REQUEST["traces"]()).status == 200


def varint(n):
    out = bytearray()
    while n >= 128:
        out.append(n & 127 | 128)
        n >>= 7
    return bytes(out) + bytes((n,))


@test("hostile/overload", seconds=120)
def overload():
    """8 clients, 64 MiB, a backend that answers late: within the limit and 10 %, refusals can be sent again, and everything acknowledged arrives once."""
    beyond_the_reference("it takes 8.8 times its limit")
    stalled_or_slow("10s", stop=0)


@test("hostile/sink-that-does-not-read", seconds=120)
def stalled():
    """A backend that stops reading for 15 seconds."""
    beyond_the_reference("measured on naru")
    stalled_or_slow("15s", stop=12)


def stalled_or_slow(duration, stop):
    with Scratch() as s:
        port = free_port()
        sink = s.start("sink", [collectors.NARU_BINARY, "sink", "--endpoint", f"127.0.0.1:{port}", "--report", s.path / "report",
                                *([] if stop else ["--delay", "200ms"])])
        sink.await_ports((port,))
        t = Target(s, {"memory_limiter": {"check_interval": "1s", "limit_mib": 64}},
                   exporter=("otlp_grpc", {"endpoint": f"127.0.0.1:{port}", "tls": {"insecure": True}, "compression": "none", "timeout": "60s",
                                           "sending_queue": {"queue_size": 1000000, "num_consumers": 4}}))
        if stop:
            sink.send(signal.SIGSTOP)
        clients = [s.start(f"client{i}", [collectors.NARU_BINARY, "send", "traces", "--endpoint", f"127.0.0.1:{t.grpc}", "--count", 0, "--size", 500,
                                          "--workers", 4, "--no-retry", "--duration", duration]) for i in range(8)]
        if stop:
            time.sleep(stop)
            sink.send(signal.SIGCONT)
        for c in clients:
            c.wait(40)
        text = "".join(c.stdout() for c in clients)
        taken = sum(int(n) for n in re.findall(r"^(\d+) records in", text, re.M))
        reasons = set(re.findall(r"^  \d+ x (\w+)", text, re.M))
        assert taken and reasons and reasons <= {"UNAVAILABLE", "Unavailable", "RESOURCE_EXHAUSTED"}, text

        def arrived():
            sink.send(signal.SIGUSR1)
            time.sleep(0.1)
            text = (s.path / "report").read_text() if (s.path / "report").exists() else ""
            found = re.findall(r"items (\d+)", text)
            return int(found[-1]) if found else 0

        wait_until(lambda: arrived() >= taken, 45, 0.3, f"{taken} records were acknowledged and arrive")
        most = t.most()
        assert t.child.stop(seconds=30) == 0, t.child.tail()
        assert arrived() == taken, f"acknowledged {taken}, arrived {arrived()}"
        assert most <= 64 * 1.1, f"{most:.1f} MB with a limit of 64"


@test("hostile/hardened-binary", seconds=20)
def hardened():
    """What the headers of the release binary promise: position independent, all relocations read-only, no stack that is code, guards."""
    beyond_the_reference("it is another binary")
    elf = Path(collectors.NARU_BINARY).read_bytes()
    assert elf[:5] == b"\x7fELF\x02", "no 64 bit binary"
    kind, = struct.unpack_from("<H", elf, 16)
    assert kind == 3, "not position independent (ET_DYN)"
    at, = struct.unpack_from("<Q", elf, 32)
    size, count = struct.unpack_from("<HH", elf, 54)
    heads = [struct.unpack_from("<IIQQQQQQ", elf, at + i * size) for i in range(count)]  # type, flags, offset, vaddr, paddr, filesz, memsz, align
    stack = [h for h in heads if h[0] == 0x6474E551]
    assert stack and not stack[0][1] & 1, "the stack may be executed"
    assert any(h[0] == 0x6474E552 for h in heads), "no RELRO"
    assert not [h for h in heads if h[0] == 1 and h[1] & 3 == 3], "a segment is writable and executable"
    dynamic = next(h for h in heads if h[0] == 2)
    entries = dict(struct.unpack_from("<QQ", elf, dynamic[2] + i) for i in range(0, dynamic[5], 16))
    assert entries.get(30, 0) & 8 and entries.get(0x6FFFFFFB, 0) & 1, "relocations are not bound at the start (full RELRO)"
    assert entries.get(0x6FFFFFFB, 0) & 0x08000000, "not marked as PIE"
    assert 22 not in entries and 15 not in entries and 29 not in entries, "text relocations, or a path to search libraries in"
    for guard in (b"__stack_chk_fail\0", b"__snprintf_chk\0"):
        assert guard in elf, f"{guard} is not there"
    if struct.unpack_from("<H", elf, 18)[0] == 62:
        # Thousands of functions begin with endbr64; without -fcf-protection those of the start files are all.
        assert elf.count(b"\xf3\x0f\x1e\xfa") > 2000, elf.count(b"\xf3\x0f\x1e\xfa")
