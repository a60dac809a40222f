"""Hostile requests: lengths that lie, and bodies that inflate to much; and what listens where, to whom."""
import re
import ssl
import struct
import threading
import time

import bombs
import certificates
import collectors
import h2
import otlp
from hostile import Target, memory, served
from process import Scratch, free_port, wait_until
from registry import beyond_the_reference, test

PB = {"Content-Type": "application/x-protobuf"}
MB = 1 << 20


@test("hostile/decompression-bombs", seconds=90)
def decompression_bombs():
    """8 clients with bombs in every encoding, and with bodies that only just fit: 64 MiB and 10 % at most, and small requests are answered."""
    beyond_the_reference("measured on naru")
    bodies = []
    for encoding, pack in bombs.PACK.items():
        # snappy shrinks zeros to a twentieth at best.
        bodies += [(encoding, pack(*bombs.fits(20 * MB - 5)), 200), (encoding, pack(b"", (64 if "snappy" in encoding else 400) * MB), 413)]
    with Scratch() as s:
        t = Target(s, {"memory_limiter": {"check_interval": "1s", "limit_mib": 64}})
        end, seen, problems = time.monotonic() + 12, {}, []

        def client(k):
            n = k
            while time.monotonic() < end:
                encoding, body, _ = bodies[n % len(bodies)]
                n += 1
                try:
                    a = otlp.http_request(t.http, "POST", "/v1/traces", body, {**PB, "Content-Encoding": encoding})
                    seen[encoding, a.status] = seen.get((encoding, a.status), 0) + 1
                except OSError as e:
                    problems.append(repr(e))

        threads = [threading.Thread(target=client, args=(k,)) for k in range(8)]
        for x in threads:
            x.start()
        for x in threads:
            x.join()
        assert not problems, problems[:3]
        assert {status for _, status in seen} <= {200, 413, 503}, seen
        most = t.most()
        # What was refused for lack of memory under that load is taken, and the bombs are known as such, when there is room.
        for encoding, body, want in bodies:
            wait_until(lambda: otlp.http_request(t.http, "POST", "/v1/traces", body, {**PB, "Content-Encoding": encoding}).status == want,
                       5, 0.2, f"{encoding}: {want}")
        for encoding in bombs.PACK:
            name = bombs.GRPC_NAME.get(encoding, encoding)
            if name is None:
                continue
            for limit, body in ((3 * MB, bombs.PACK[encoding](*bombs.fits(3 * MB))), (0, bombs.PACK[encoding](b"", 64 * MB))):
                got = grpc_call(t.grpc, body, name)
                want = 12 if name not in ("gzip", "zstd", "snappy") else 0 if limit else 8
                assert status_of(got) == want, f"{name} over gRPC, {'a body that fits' if limit else 'a bomb'}: {got[:200]!r}"
        assert max(most, t.most()) <= 64 * 1.1, f"{t.most():.1f} MB with a limit of 64; {seen}"
        assert otlp.post(t.http, "traces", otlp.REQUEST["traces"]()).status == 200


def grpc_call(port, message, encoding=None, prefix=None):
    """One call on a connection of its own: all that came back for it, as bytes."""
    p = h2.Peer(port)
    p.send(h2.frame(h2.SETTINGS, h2.ACK) + h2.frame(h2.HEADERS, h2.END_HEADERS, 1, h2.request(**({"grpc_encoding": encoding} if encoding else {}))))
    data = (prefix or struct.pack(">BI", 1 if encoding else 0, len(message))) + message
    for at in range(0, len(data), 16384):
        p.send(h2.frame(h2.DATA, h2.END_STREAM if at + 16384 >= len(data) else 0, 1, data[at:at + 16384]))
    got = p.answer(1, 10)
    p.close()
    return got


# `grpc-status` in HPACK's Huffman code (RFC 7541, appendix B), as a sender writes it that has not sent it before.
GRPC_STATUS = bytes.fromhex("889acac8b21234da8f")


def status_of(got):
    """The code in the trailers of the first call of a connection; None when there is none."""
    at = got.rfind(GRPC_STATUS)
    if at < 0:
        return None
    value = got[at + len(GRPC_STATUS):]
    return int(value[1:1 + value[0]])  # one or two digits are never made shorter


def key(field, wire):
    return bombs.varint(field << 3 | wire)


# Messages whose lengths say more than there is, at every depth: ResourceSpans, its ScopeSpans, its Span, a string of that.
LONGEST = {"4 GiB - 1": bombs.varint((1 << 32) - 1), "4 GiB": bombs.varint(1 << 32), "2 GiB": bombs.varint(1 << 31), "8 EiB": bombs.varint(1 << 63),
           "16 EiB - 1": bombs.varint((1 << 64) - 1), "11 bytes of length": b"\xff" * 10 + b"\x01", "one too many": bombs.varint(4)}


def nested(depth, length):
    """A request that is right down to `depth`, where a length is `length`."""
    body = key(1 if depth == 0 else 2 if depth < 3 else 5, 2) + length + b"abc"
    for level in range(depth, 0, -1):
        body = key(1 if level == 1 else 2, 2) + bombs.varint(len(body)) + body
    return body


@test("hostile/lengths-that-lie", seconds=60)
def lying_lengths():
    """Lengths of 4 GiB and more: in Content-Length, chunks, gRPC's prefix, and inside of the protobuf; refused, with no memory taken for them."""
    beyond_the_reference("measured on naru")
    with Scratch() as s:
        t = Target(s)
        witness = t.witness(8)
        for n in ("4294967295", "4294967296", "9223372036854775807", "9223372036854775808", "18446744073709551615", "18446744073709551616", "-1", "+5", "0x10", "5,5"):
            answer = raw_http(t.http, f"POST /v1/traces HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-protobuf\r\nContent-Length: {n}\r\n\r\nabc".encode())
            assert re.match(rb"HTTP/1.1 4(00|13) ", answer), f"Content-Length {n}: {answer[:100]!r}"
        for n in ("ffffffff", "100000000", "7fffffffffffffff", "ffffffffffffffff", "10000000000000000", "-1"):
            answer = raw_http(t.http, b"POST /v1/traces HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-protobuf\r\nTransfer-Encoding: chunked\r\n\r\n"
                              + n.encode() + b"\r\nabc", eof=True)
            assert answer == b"" or re.match(rb"HTTP/1.1 4(00|08|13) ", answer), f"a chunk of {n}: {answer[:100]!r}"
        for prefix in (b"\0\xff\xff\xff\xff", b"\0\x80\0\0\0", b"\0\x7f\xff\xff\xff", b"\0\0\x40\0\x01", b"\xff\0\0\0\3"):
            code = status_of(grpc_call(t.grpc, b"abc", prefix=prefix))
            assert code in (8, 13), f"gRPC prefix {prefix!r}: {code}"
        for what, length in LONGEST.items():
            for depth in range(4):
                body = nested(depth, length)
                a, code = otlp.post(t.http, "traces", body), status_of(grpc_call(t.grpc, body))
                # Below the boundaries nobody looks; a backend would.
                ok = depth == 3 and a.status == 200 and code == 0
                assert ok or (a.status == 400 and code == 3), f"{what} at depth {depth}: {a}, {code}"
        # Behind Content-Length's back: gzip's own length, and zstd's, are no promise either.
        import gzip
        small = gzip.compress(otlp.REQUEST["traces"]().SerializeToString())
        a = otlp.http_request(t.http, "POST", "/v1/traces", small[:-4] + b"\xff\xff\xff\xff", {**PB, "Content-Encoding": "gzip"})
        assert a.status == 400, a
        claims = b"\x28\xb5\x2f\xfd\xe0" + struct.pack("<Q", (1 << 62)) + b"\x01\0\0"  # a frame of one empty block that claims 4 EiB
        a = otlp.http_request(t.http, "POST", "/v1/traces", claims, {**PB, "Content-Encoding": "zstd"})
        assert a.status in (400, 413), a
        served(witness, 25, 250)
        assert t.most() <= 48, f"{t.most():.1f} MB"
        assert t.child.stop() == 0, t.child.tail()


def raw_http(port, text, eof=False, seconds=5):
    import socket
    with socket.create_connection(("127.0.0.1", port), seconds) as c:
        c.sendall(text)
        if eof:
            c.shutdown(socket.SHUT_WR)
        got = b""
        try:
            while b"\r\n\r\n" not in got and (more := c.recv(65536)):
                got += more
        except ConnectionResetError:
            pass
        return got


@test("hostile/old-tls-is-refused", seconds=60)
def old_tls():
    """TLS 1.0 and 1.1 do not get in by default, on any port that speaks TLS; with `min_version` in so many words they may."""
    with Scratch() as s:
        c = certificates.make(s.path / "certs")
        g, h, z = free_port(), free_port(), free_port()
        tls = {"cert_file": str(c / "server.crt"), "key_file": str(c / "server.key")}
        config = {"receivers": {"otlp": collectors.otlp_receiver(g, h, tls=tls)}, "exporters": {"nop": {}},
                  "extensions": {"health_check": {"endpoint": f"127.0.0.1:{z}", "tls": tls}},
                  "service": {"telemetry": collectors.plain(), "extensions": ["health_check"], "pipelines": collectors.pipelines(["otlp"], ["nop"])}}
        child = collectors.start(s, "collector", collectors.NARU, config, (g, h, z))

        def hello(port, version):
            status, out, err = s.run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-cipher", "ALL:@SECLEVEL=0", "-CAfile", c / "ca.crt", version], seconds=10)
            return re.search(r"^New, (TLSv[0-9.]+|\(NONE\)|SSLv3)", out, re.M)[1] if "New, " in out else f"{status} {err[-200:]}"

        for port in (g, h, z):
            for version in ("-tls1", "-tls1_1"):
                got = hello(port, version)
                assert got == "(NONE)", f"{version} on {port}: {got}"
            assert hello(port, "-tls1_2") != "(NONE)" and hello(port, "-tls1_3") == "TLSv1.3"
        assert child.alive() and otlp.post(h, "traces", otlp.REQUEST["traces"](), tls=otlp.server_tls(c / "ca.crt")).status == 200


@test("hostile/encrypted-keys", seconds=30)
def encrypted_keys():
    """A key behind a passphrase: refused with the file's name, without asking at the terminal, and nothing of it is shown."""
    beyond_the_reference("it says so in other words")
    with Scratch() as s:
        c = certificates.make(s.path / "certs")
        status, _, err = s.run(["openssl", "pkcs8", "-topk8", "-in", c / "server.key", "-passout", "pass:open-sesame-4711", "-out", s.path / "locked.key"])
        assert status == 0, err
        pem = (s.path / "locked.key").read_text()
        for block in ({"key_file": str(s.path / "locked.key")}, {"key_pem": pem}):
            config = {"receivers": {"otlp": collectors.otlp_receiver(http=free_port(), tls={"cert_file": str(c / "server.crt"), **block})}, "exporters": {"nop": {}},
                      "service": {"telemetry": collectors.plain(), "pipelines": collectors.pipelines(["otlp"], ["nop"])}}
            child = collectors.start(s, "collector", collectors.NARU, config)
            assert child.wait(10) != 0
            text = child.stdout() + child.stderr()
            assert "it is encrypted, and no passphrase can be given" in text and ("locked.key" in text or "key_pem" in text), text
            assert not any(line in text for line in pem.splitlines() if len(line) > 20 and "KEY" not in line), "the key is in the log"


@test("hostile/warns-of-every-interface", seconds=30)
def every_interface():
    """Each listener on 0.0.0.0 or [::] has its warning, one on localhost none."""
    beyond_the_reference("it warns of receivers only")
    said = "exposes this server to every network interface"
    with Scratch() as s:
        ports = {k: free_port() for k in ("grpc", "http", "health", "zpages", "pprof", "metrics", "v2")}
        for host in ("0.0.0.0", "[::]", "127.0.0.1"):
            at = {k: f"{host}:{p}" for k, p in ports.items()}
            config = {"receivers": {"otlp": {"protocols": {"grpc": {"endpoint": at["grpc"]}, "http": {"endpoint": at["http"]}}}}, "exporters": {"nop": {}},
                      "extensions": {"health_check": {"endpoint": at["health"]}, "health_check/2": {"use_v2": True, "grpc": {"endpoint": at["v2"]}},
                                     "zpages": {"endpoint": at["zpages"]}, "pprof": {"endpoint": at["pprof"]}},
                      "service": {"telemetry": {"metrics": {"readers": [{"pull": {"exporter": {"prometheus": {"host": host.strip("[]"), "port": ports["metrics"]}}}}]}},
                                  "extensions": ["health_check", "health_check/2", "zpages", "pprof"], "pipelines": collectors.pipelines(["otlp"], ["nop"])}}
            child = collectors.start(s, "collector", collectors.NARU, config, ports.values())
            assert child.stop() == 0
            lines = [x for x in child.stderr().splitlines() if said in x]
            child.err.write_text("")
            warned = {k for k, p in ports.items() if any(f":{p}\"" in x for x in lines)}
            assert warned == (set() if host == "127.0.0.1" else set(ports)), f"{host}: {lines}"
