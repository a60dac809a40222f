"""SIGKILL at chosen moments of a stored queue's life; nothing that was acknowledged may be lost."""
import random
import threading
import time
from collections import Counter

from world import PER, Client, World, arrives, wait_until

# What is aimed at, how often beside the others, and up to which occurrence. The names are those of faults.cc.
AIMS = [("append", 2, 40), ("torn", 4, 40), ("appended", 2, 40), ("rotate", 2, 6), ("torn-head", 2, 6), ("rotated", 2, 6),
        ("remove", 2, 5), ("removed", 2, 5), ("compact", 2, 3), ("torn-copy", 3, 3), ("compacted", 2, 3), ("recovery", 5, 8)]
SYNC_AIMS = [("sync", 3, 30), ("synced", 3, 30)]
GROUPS = {"append": ("append", "appended", "sync", "synced"), "torn append": ("torn",), "rotate": ("rotate", "torn-head", "rotated"),
          "remove": ("remove", "removed"), "compact": ("compact", "torn-copy", "compacted"), "recovery": ("recovery",)}
REMOVALS, COPIES = GROUPS["remove"], GROUPS["compact"]
CALM = 25  # so many kills are followed by a life without one, in which everything must arrive


class Tally:
    """What a run of kills did."""

    def __init__(self):
        self.landed, self.missed, self.elsewhere = Counter(), Counter(), 0
        self.acknowledged = self.duplicates = self.unacknowledged = 0

    def groups(self):
        return {name: sum(self.landed[p] for p in phases) for name, phases in GROUPS.items()}

    def text(self):
        kills = sum(self.landed.values()) + self.elsewhere
        where = ", ".join(f"{n} {c}" for n, c in self.groups().items())
        return (f"{kills} kills ({where}, elsewhere {self.elsewhere}); {self.acknowledged} records acknowledged, 0 lost, "
                f"{self.duplicates} duplicates, {self.unacknowledged} arrived without an acknowledgement")


def one_life(world, r, aim, most, following, clients):
    """Starts the collector, which is to be killed at `aim`, under load. Returns the phase that it was killed in, or None."""
    sink = world.sink
    sink.mode = r.choice(("takes", "takes", "takes", "takes", "refuses", "down"))
    if following == "recovery":
        sink.mode = "refuses"  # so that there is something to recover
    if aim in REMOVALS + COPIES:
        sink.mode = "takes"
    # One request of this life stays, so that the queue has an old record to copy to its newest segment.
    held = clients[0].next + PER * r.randrange(5)
    hold = aim in COPIES or (aim not in REMOVALS and r.random() < 0.3)
    sink.stuck = (lambda ids: held in ids) if hold else (lambda ids: False)
    before = world.report.stat().st_size if world.report.exists() else 0
    world.start(f"{aim} {r.randint(1, most)} {r.randrange(1 << 20)}")
    end = time.monotonic() + 1.0
    padding = r.choice((0, 0, 40, 400))

    def load(client):
        while world.alive() and time.monotonic() < end:
            if client.send(padding=padding, timeout=5) is None:
                return

    threads = [threading.Thread(target=load, args=(c,)) for c in clients]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for c in clients:
        c.close()
    wait_until(lambda: not world.alive() or time.monotonic() > end, 5, "a life ends")
    world.kill()
    assert world.process.returncode == -9, f"the collector ended by itself with {world.process.returncode}; {world.tail()}"
    landed = world.report.read_text()[before:].split() if world.report.exists() else []
    return landed[0] if landed else None


def calm(world, wanted, tally):
    """A life in which everything that was acknowledged must arrive."""
    world.sink.mode, world.sink.stuck = "takes", lambda ids: False
    assert world.start(), f"the collector does not start on its queue; {world.tail()}"

    try:
        arrives(world, wanted)
    except AssertionError as e:
        raise AssertionError(f"{e}; kills so far: {dict(tally.landed)}") from None
    world.stop()


def run(faults, kills, seed, fsync, tally):
    """Adds `kills` kills of one queue to `tally`."""
    r = random.Random(seed * 2 + fsync)
    aims = AIMS + (SYNC_AIMS if fsync else [])
    deck = [(aim, most) for aim, times, most in aims for _ in range(times)]
    with World(faults, fsync) as world:
        clients = [Client(world.port, i * 100_000_000) for i in range(2)]
        wanted = set()
        order = []
        for n in range(kills):
            if not order:
                order = r.sample(deck, len(deck))
            aim, most = order.pop()
            phase = one_life(world, r, aim, most, order[-1][0] if order else "", clients)
            if phase:
                tally.landed[phase] += 1
            else:
                tally.elsewhere += 1
                tally.missed[aim] += 1
            if n % CALM == CALM - 1 or n == kills - 1:
                wanted = set().union(*(c.acknowledged for c in clients))
                calm(world, wanted, tally)
        tally.acknowledged += len(wanted)
        tally.duplicates += world.sink.duplicates()
        tally.unacknowledged += len(world.sink.seen.keys() - wanted)
        damaged = [line for line in world.says().splitlines() if "is damaged" in line]
        assert not damaged, f"a kill damaged what was stored: {damaged[0]}"
