"""Disks that are full, read-only, broken or slow, and segments that are damaged: errors say so, the rest is kept, the process serves on."""
import http.client
import random
import shutil
import threading
import time

from world import PER, Client, World, arrives, records, wait_until

ENOSPC, EROFS, EIO = 28, 30, 5
TESTS = []


def test(name):
    def add(body):
        TESTS.append((name, body))
        return body
    return add


def nothing_left(world):
    """A start on what should be an empty queue sends nothing."""
    before = world.sink.duplicates(), len(world.sink.seen)
    world.start()
    time.sleep(0.3)
    world.stop()
    after = world.sink.duplicates(), len(world.sink.seen)
    assert after == before, f"an empty queue sends something: {before} -> {after} (duplicates, records)"


def writes_fail(faults, fault, word, fsync=False):
    """While writes fail clients are refused and may try again; what was stored before stays, what was refused leaves nothing behind."""
    with World(faults, fsync) as w:
        w.sink.mode = "down"
        w.start()
        c = Client(w.port, 0)
        for _ in range(20):
            assert c.send(padding=20) == 200
        w.fault(fault)
        last = [c.send(padding=20) for _ in range(30)]
        assert last[-1] == 503, f"the last of 30 requests on a failing disk is answered with {last[-1]}"
        assert all(s in (200, 503) for s in last), last
        assert word in c.refusals[-1][1].decode(errors="replace"), f"the client hears {c.refusals[-1]}"
        assert word in w.says(), f"the log does not say {word!r}: {w.tail()}"
        refused = len(c.refusals)
        w.fault()
        assert c.send(padding=20) == 200, f"still refused when the disk works again: {c.refusals[-1]}"
        w.sink.mode = "takes"
        arrives(w, c.acknowledged)
        assert w.alive()
        w.stop()
        ghosts = w.sink.seen.keys() - c.acknowledged
        assert not ghosts, f"{len(ghosts)} records arrived that were refused"
        nothing_left(w)
        return f"{refused} requests refused, {len(c.acknowledged)} records acknowledged and delivered, {w.sink.duplicates()} duplicates"


@test("full")
def full(faults):
    """Each segment ends where the room does: writes end short, then fail."""
    return writes_fail(faults, f"room 3000\ncreate {ENOSPC}", "No space left on device")


@test("full-with-fsync")
def full_fsync(faults):
    return writes_fail(faults, f"write {ENOSPC}", "No space left on device", fsync=True)


@test("full-and-cannot-cut-off")
def full_truncate(faults):
    """What was written of a refused request cannot be cut off again either: the segment is left alone."""
    return writes_fail(faults, f"room 3000\ntruncate {EIO}\ncreate {ENOSPC}", "No space left on device")


@test("read-only")
def read_only(faults):
    return writes_fail(faults, f"write {EROFS}\ncreate {EROFS}\nremove {EROFS}\ntruncate {EROFS}", "Read-only file system")


@test("write-errors")
def write_errors(faults):
    return writes_fail(faults, f"write {EIO}", "Input/output error")


@test("sync-errors")
def sync_errors(faults):
    return writes_fail(faults, f"sync {EIO}", "Input/output error", fsync=True)


@test("rotation-fails")
def rotation(faults):
    """The head of a new segment cannot be written, nor the file be removed: once the disk works again, so does the queue."""
    with World(faults) as w:
        w.sink.mode = "down"
        w.start()
        c = Client(w.port, 0)
        for _ in range(12):  # one of them is at a rotation
            w.fault(f"write {EIO}\nremove {EIO}")
            assert c.send(padding=20) == 503
            w.fault()
            assert c.send(padding=20) == 200, f"still refused when the disk works again: {c.refusals[-1]}"
        w.sink.mode = "takes"
        arrives(w, c.acknowledged)
        w.stop()
        nothing_left(w)
        return f"{len(c.refusals)} requests refused, {len(c.acknowledged)} records acknowledged and delivered"


@test("read-errors")
def read_errors(faults):
    """What is on disk only cannot be read for a while: it waits there."""
    with World(faults, segment_bytes=1 << 20) as w:
        w.sink.mode = "down"
        w.start()
        c = Client(w.port, 0)
        for _ in range(60):
            assert c.send(padding=60000) == 200
        w.fault(f"read {EIO}")
        w.sink.mode = "takes"
        wait_until(lambda: "cannot be read; trying again" in w.says(), 20, lambda: f"no error about reading; {w.tail()}")
        assert "Input/output error" in w.says()
        assert not w.sink.has(c.acknowledged)
        assert c.send() == 200
        w.fault()
        arrives(w, c.acknowledged)
        w.stop()
        nothing_left(w)
        return f"{len(c.acknowledged)} records acknowledged and delivered, {w.sink.duplicates()} duplicates"


@test("removal-fails")
def removal(faults):
    """Segments that cannot be removed stay, are removed later, and bring nothing back."""
    with World(faults) as w:
        w.start()
        c = Client(w.port, 0)
        w.fault(f"remove {EROFS}")
        for _ in range(60):
            assert c.send(padding=40) == 200
        arrives(w, c.acknowledged)
        most = len(w.segments())
        assert most > 5, f"{most} segments"
        w.stop()
        nothing_left(w)
        w.fault()
        w.start()
        c.close()
        for _ in range(20):
            assert c.send(padding=40) == 200
        arrives(w, c.acknowledged)
        wait_until(lambda: len(w.segments()) <= 3, 5, lambda: f"{len(w.segments())} segments are left")
        w.stop()
        nothing_left(w)
        return f"{most} segments were left behind and went later, {w.sink.duplicates()} duplicates"


@test("start-on-a-broken-disk")
def broken_start(faults):
    """The folder cannot be locked, or a segment not be opened: the start fails and says which file; nothing is touched."""
    with World(faults) as w:
        w.sink.mode = "down"
        w.start()
        c = Client(w.port, 0)
        for _ in range(10):
            assert c.send() == 200
        w.stop()
        for fault, words in ((f"lock {EROFS}", ("/lock", "Read-only file system")), (f"read {EIO}", (".seg", "Input/output error"))):
            w.fault(fault)
            since = w.log.stat().st_size
            assert not w.start(), f"{fault}: it starts"
            status = w.process.wait(10)
            assert status > 0, f"{fault}: ended with {status}"
            assert all(word in w.says(since) for word in words), f"{fault}: {w.says(since)}"
        w.fault()
        w.sink.mode = "takes"
        w.start()
        arrives(w, c.acknowledged)
        w.stop()
        return "no start, an error that names the file; later everything is delivered"


@test("slow")
def slow(faults):
    """Every call on the disk takes 150 ms: acknowledgements wait for it, the loop does not."""
    with World(faults, fsync=True) as w:
        w.start()
        w.fault("slow 150")
        clients = [Client(w.port, i * 1000000) for i in range(4)]
        threads = [threading.Thread(target=lambda c=c: [c.send() for _ in range(3)]) for c in clients]
        begin, worst = time.monotonic(), 0
        for t in threads:
            t.start()
        while any(t.is_alive() for t in threads):
            start = time.monotonic()
            h = http.client.HTTPConnection("127.0.0.1", w.port, timeout=10)
            h.request("GET", "/elsewhere")
            assert h.getresponse().status == 404
            h.close()
            worst = max(worst, time.monotonic() - start)
            time.sleep(0.01)
        took = time.monotonic() - begin
        w.fault()
        wanted = set().union(*(c.acknowledged for c in clients))
        assert len(wanted) == 12 * PER, f"{len(wanted)} records acknowledged"
        assert took > 0.3, f"acknowledged within {took:.2f} s: before they were stored"
        assert worst < 0.14, f"another request waited {worst * 1000:.0f} ms for the disk"
        arrives(w, wanted)
        w.stop()
        return f"12 requests took {took:.1f} s, other requests at most {worst * 1000:.0f} ms"


def backlog(w, requests=60, padding=40):
    """A queue of many segments that nobody has taken, and a stopped collector. What is in it."""
    w.sink.mode = "down"
    w.start()
    c = Client(w.port, 0)
    for _ in range(requests):
        assert c.send(padding=padding) == 200
    w.stop()
    c.close()
    assert len(w.segments()) >= 7, f"{len(w.segments())} segments"
    return c


@test("damaged-segments")
def damaged(faults):
    """One kind of damage a segment: each costs the records that it touches, is named, and nothing else is lost."""
    with World(faults) as w:
        c = backlog(w)
        lost, said = set(), []

        def edit(i, change):
            path = w.segments()[i]
            data = bytearray(path.read_bytes())
            data_records = [r for r in records(path) if r[2] == 1]
            lost.update(change(data, data_records) or [])
            path.write_bytes(data)
            said.append(path.name)

        def body(data, rs):
            begin, _, _, ids = rs[1]
            data[begin + 60] ^= 1
            return ids

        def header(data, rs):
            begin, _, _, ids = rs[1]
            data[begin + 9] ^= 1
            return ids

        def magic(data, rs):
            data[0:16] = bytes(16)

        def cut(data, rs):
            begin, end, _, ids = rs[-1]
            del data[(begin + end) // 2:]
            return ids

        def empty(data, rs):
            data.clear()
            return [n for r in rs for n in r[3]]

        def tail(data, rs):
            data += bytes(range(256)) * 2

        for i, change in enumerate((body, header, magic, cut, empty, tail)):
            edit(i, change)
        highest = int(w.segments()[-1].stem, 16)
        noise = w.queue / f"{highest + 1:016x}.seg"
        noise.write_bytes(random.Random(3).randbytes(5000))
        (w.queue / "not-ours.seg").write_bytes(b"x")
        said.append(noise.name)
        since = w.log.stat().st_size
        w.sink.mode = "takes"
        assert w.start(), f"damaged segments stop the start; {w.tail()}"
        arrives(w, c.acknowledged - lost, "undamaged")
        kept = c.acknowledged - lost
        assert c.send() == 200
        arrives(w, c.acknowledged - lost)
        text = w.says(since)
        found = w.sink.seen.keys() & lost
        assert not found, f"damaged records arrived: {sorted(found)[:5]}"
        # An empty file has no damaged bytes; that records are missing cannot be seen from it.
        silent = [name for i, name in enumerate(said) if i != 4 and name not in text]
        assert not silent, f"the log does not name {silent}: {text}"
        assert "Dropping data" in text, text
        w.stop()
        nothing_left(w)
        assert (w.queue / "not-ours.seg").exists()
        return f"7 segments damaged, {len(lost)} records lost with them and named, {len(kept)} of the rest delivered"


@test("a-loss-is-noticed")
def noticed(faults):
    """A segment that is gone: the check of the kill test must fail."""
    with World(faults) as w:
        c = backlog(w)
        w.segments()[2].unlink()
        w.sink.mode = "takes"
        w.start()
        try:
            arrives(w, c.acknowledged, seconds=2)
        except AssertionError as e:
            return f"as it should: {str(e).split(',')[0]}"
        raise AssertionError("nobody notices that a segment is gone")


@test("random-damage")
def random_damage(faults):
    """Bytes flipped, blocks zeroed, files cut, at random: all records but those that were touched arrive, and it starts every time."""
    with World(faults) as w:
        c = backlog(w)
        whole = w.path / "whole"
        shutil.copytree(w.queue, whole)
        total = 0
        rounds = 20
        for seed in range(rounds):
            r = random.Random(seed)
            shutil.rmtree(w.queue)
            shutil.copytree(whole, w.queue)
            touched = set()
            for path in r.sample(w.segments(), 3):
                data, rs = bytearray(path.read_bytes()), records(path)
                at = r.randrange(len(data))
                kind = r.choice(("flip", "zero", "cut", "noise"))
                end = {"flip": at + 1, "cut": len(data)}.get(kind, min(len(data), at + 512))
                if kind == "flip":
                    data[at] ^= 1 << r.randrange(8)
                elif kind == "cut":
                    del data[at:]
                else:
                    data[at:end] = bytes(end - at) if kind == "zero" else r.randbytes(end - at)
                path.write_bytes(data)
                touched |= {n for begin, stop, _, ids in rs if begin < end and at < stop for n in ids}
            w.sink.seen.clear()
            w.sink.mode = "takes"
            assert w.start(), f"round {seed}: it does not start; {w.tail()}"
            arrives(w, c.acknowledged - touched, f"round {seed}: undamaged")
            w.stop()
            total += len(touched)
        return f"{rounds} rounds, {total} records damaged, all others delivered"
