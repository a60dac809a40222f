"""What was acknowledged is not lost: full queues behind batch, refusing and slow backends, SIGTERM, SIGHUP, kill -9 with stored queues."""
import http.server
import re
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import canon
import collectors
import differential
import grpc
import otlp
from process import Scratch, free_port, wait_until
from registry import beyond_the_reference, test
from sink import Sink


def numbered(first, count):
    """A request of `count` spans whose names carry numbers from `first` on: losses and doubles can be told apart."""
    return otlp.from_json("traces", {"resourceSpans": [{"scopeSpans": [{"spans": [
        {"traceId": f"{n + 1:032x}", "spanId": f"{n + 1:016x}", "name": f"span-{n}", "startTimeUnixNano": "1", "endTimeUnixNano": "2"}
        for n in range(first, first + count)]}]}]})


def names(messages):
    return [s.name for m in messages for r in m.resource_spans for sc in r.scope_spans for s in sc.spans]


def names_of(numbers):
    return {f"span-{n}" for first, count in numbers for n in range(first, first + count)}


class Load:
    """Sends numbered requests over gRPC and remembers which were acknowledged."""

    def __init__(self, port):
        self.port, self.acknowledged, self.refused = port, [], []
        self.next = 0
        self.channel = otlp.channel(port)

    def send(self, count=10, timeout=20):
        first, self.next = self.next, self.next + count
        a = otlp.export(self.channel, "traces", numbered(first, count), timeout=timeout)
        (self.acknowledged if a.code == grpc.StatusCode.OK else self.refused).append((first, count))
        return a

    def close(self):
        self.channel.close()


def check_nothing_lost(load, sink, doubles=False):
    want, got = names_of(load.acknowledged), names(sink.messages("traces"))
    missing = want - set(got)
    assert not missing, f"{len(missing)} of {len(want)} acknowledged spans are lost, such as {sorted(missing)[:3]}"
    if not doubles:
        assert len(got) == len(set(got)), f"{len(got) - len(set(got))} spans arrived twice"


def queue_config(port, sink, queue, processors=None, retry=None, extensions=None, exporter=None):
    config = {"receivers": {"otlp": collectors.otlp_receiver(grpc=port)}, "processors": processors or {},
              "exporters": {"otlp_grpc": {"endpoint": f"127.0.0.1:{sink.grpc_port}", "tls": {"insecure": True}, "compression": "none", "timeout": "5s",
                                          "sending_queue": queue, "retry_on_failure": retry or {"initial_interval": "100ms", "max_interval": "500ms"},
                                          **(exporter or {})}},
              "service": {"telemetry": collectors.plain(), "pipelines": collectors.pipelines(
                  ["otlp"], ["otlp_grpc"], list(processors or {}), signals=("traces",))}}
    if extensions:
        config["extensions"] = extensions
        config["service"]["extensions"] = list(extensions)
    return config


@test("loss/batch-before-a-full-queue", seconds=120)
def batch_full_queue():
    """200 requests against a slow backend with a queue of four: the reference answers OK to all and drops most. What cannot be kept must be refused."""
    beyond_the_reference("it acknowledges and drops here")
    with Scratch() as s:
        sink = s.closing(Sink(delay=0.02))
        port = free_port()
        c = collectors.start(s, "collector", collectors.NARU, queue_config(
            port, sink, {"queue_size": 4, "num_consumers": 1}, {"batch": {"timeout": "10ms", "send_batch_size": 10, "send_batch_max_size": 10}}), (port,))
        load = s.closing(Load(port))
        with ThreadPoolExecutor(8) as pool:
            for a in list(pool.map(lambda _: load.send(10), range(200))):
                assert a.code in (grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED), a
        assert load.acknowledged, "nothing at all was taken"
        c.stop(seconds=60)
        check_nothing_lost(load, sink)


@test("loss/full-queue-refuses", seconds=60)
def full_queue():
    """Without batch a full queue refuses with a code that clients retry; what it took arrives."""
    with Scratch() as s:
        sink = s.closing(Sink(delay=0.05))
        port = free_port()
        c = collectors.start(s, "collector", collectors.NARU, queue_config(port, sink, {"queue_size": 4, "num_consumers": 1}), (port,))
        load = s.closing(Load(port))
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: load.send(10), range(100)))
        refused = [a for a in answers if a.code != grpc.StatusCode.OK]
        assert refused and load.acknowledged, f"{len(refused)} refused"
        assert all(a.code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED) for a in refused), refused[0]
        c.stop(seconds=30)
        check_nothing_lost(load, sink)


@test("loss/block-on-overflow", seconds=60)
def block():
    """With block_on_overflow nothing is refused: clients wait."""
    with Scratch() as s:
        sink = s.closing(Sink(delay=0.02))
        port = free_port()
        c = collectors.start(s, "collector", collectors.NARU, queue_config(
            port, sink, {"queue_size": 2, "num_consumers": 1, "block_on_overflow": True}), (port,))
        load = s.closing(Load(port))
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: load.send(5), range(60)))
        assert not load.refused, load.refused[:3]
        c.stop(seconds=30)
        check_nothing_lost(load, sink)


@test("loss/wait-for-result", seconds=60)
def wait_for_result():
    """With wait_for_result OK means delivered, and a permanent refusal of the backend reaches the client."""
    with Scratch() as s:
        sink = s.closing(Sink(plan=lambda n: grpc.StatusCode.INVALID_ARGUMENT if n % 2 else None))
        port = free_port()
        collectors.start(s, "collector", collectors.NARU, queue_config(port, sink, {"wait_for_result": True, "num_consumers": 1}), (port,))
        load = s.closing(Load(port))
        for n in range(10):
            a = load.send(3)
            assert (a.code == grpc.StatusCode.OK) == (n % 2 == 0), f"request {n}: {a}"
            assert set(names(sink.messages("traces"))) == names_of(load.acknowledged), f"after request {n}"


@test("loss/no-queue", seconds=60)
def no_queue():
    """Without a queue the backend's verdict is the answer."""
    with Scratch() as s:
        sink = s.closing(Sink(plan=lambda n: grpc.StatusCode.PERMISSION_DENIED if n == 1 else None))
        port = free_port()
        collectors.start(s, "collector", collectors.NARU, queue_config(port, sink, {"enabled": False}), (port,))
        load = s.closing(Load(port))
        assert load.send().code == grpc.StatusCode.OK
        a = load.send()
        assert a.code == grpc.StatusCode.PERMISSION_DENIED, a
        assert load.send().code == grpc.StatusCode.OK
        check_nothing_lost(load, sink)


@test("loss/retries-what-may-be-retried", seconds=60)
def retries():
    """UNAVAILABLE is tried again, INVALID_ARGUMENT is not."""
    with Scratch() as s:
        sink = s.closing(Sink(plan=lambda n: grpc.StatusCode.UNAVAILABLE if n < 3 else grpc.StatusCode.INVALID_ARGUMENT if n == 4 else None))
        port = free_port()
        c = collectors.start(s, "collector", collectors.NARU, queue_config(port, sink, {"num_consumers": 1}), (port,))
        load = s.closing(Load(port))
        load.send(1)
        wait_until(lambda: sink.count() == 1, 20, why=f"the first arrives at its fourth try; {c.tail()}")
        assert sink.requests == 4, sink.requests
        load.send(1)
        load.send(1)
        wait_until(lambda: sink.count() == 2, 20, why="the third arrives")
        time.sleep(0.5)
        if not collectors.SELF_TEST:
            # A refused request may be looked through part by part; one span has no parts.
            assert names(sink.messages("traces")) == ["span-0", "span-2"], names(sink.messages("traces"))
        assert sink.requests in (6, 7), f"{sink.requests} requests"


@test("loss/server-says-when", seconds=60)
def server_delay():
    """A delay that the backend names is kept: RetryInfo over gRPC, Retry-After over HTTP."""
    detail = bytes.fromhex("0808") + b"\x12\x01x" + status_with_retry_info(1)
    with Scratch() as s:
        sink = s.closing(Sink(plan=lambda n: (grpc.StatusCode.RESOURCE_EXHAUSTED, (("grpc-status-details-bin", detail),)) if n == 0 else None))
        web = s.closing(Sink(plan=lambda n: (503, {"Retry-After": "1"}) if n == 0 else None))
        port = free_port()
        config = queue_config(port, sink, {"num_consumers": 1}, retry={"initial_interval": "10ms", "max_interval": "20ms"})
        config["exporters"]["otlp_http"] = {"endpoint": f"http://127.0.0.1:{web.http_port}", "retry_on_failure": {"initial_interval": "10ms"}}
        config["service"]["pipelines"]["traces"]["exporters"].append("otlp_http")
        c = collectors.start(s, "collector", collectors.NARU, config, (port,))
        s.closing(Load(port)).send(1)
        for who, at in (("gRPC", sink), ("HTTP", web)):
            wait_until(lambda: at.count() == 1, 20, why=f"{who}: a second try; {c.tail()}")
            gap = at.arrivals[1] - at.arrivals[0]
            assert gap >= 0.95, f"{who}: tried again after {gap:.2f} s"


def status_with_retry_info(seconds):
    """The details field of a google.rpc.Status that holds a RetryInfo with that delay."""
    info = b"\x0a\x02\x08" + bytes([seconds])
    url = b"type.googleapis.com/google.rpc.RetryInfo"
    packed = b"\x0a" + bytes([len(url)]) + url + b"\x12" + bytes([len(info)]) + info
    return b"\x1a" + bytes([len(packed)]) + packed


@test("loss/sigterm-drains", seconds=90)
def sigterm():
    """SIGTERM: what batch and queue hold is sent before the process ends with 0."""
    with Scratch() as s:
        sink = s.closing(Sink(delay=0.03))
        port = free_port()
        c = collectors.start(s, "collector", collectors.NARU, queue_config(
            port, sink, {"queue_size": 1000, "num_consumers": 2}, {"batch": {"timeout": "30s", "send_batch_size": 25}}), (port,))
        load = s.closing(Load(port))
        for _ in range(60):
            assert load.send(10).code == grpc.StatusCode.OK
        status = c.stop(seconds=40)
        assert status == 0, f"ended with {status}"
        check_nothing_lost(load, sink)


@test("loss/sigterm-twice-still-drains", seconds=60)
def sigterm_twice():
    """A second SIGTERM while it drains, as `timeout` and supervisors send it, changes nothing: all of it arrives, and the status is 0."""
    with Scratch() as s:
        sink, port = s.closing(Sink(delay=0.5)), free_port()
        c = collectors.start(s, "collector", collectors.NARU, {
            "receivers": {"otlp": collectors.otlp_receiver(grpc=port)}, "processors": {"batch": {"timeout": "60s", "send_batch_size": 100000}},
            "exporters": {"otlp_grpc": {"endpoint": f"127.0.0.1:{sink.grpc_port}", "tls": {"insecure": True}}},
            "service": {"telemetry": collectors.plain(), "pipelines": collectors.pipelines(["otlp"], ["otlp_grpc"], ["batch"], ("traces",))}}, (port,))
        load = Load(port)
        for _ in range(10):
            load.send()
        assert len(load.acknowledged) == 10, load.refused
        c.send(signal.SIGTERM)
        time.sleep(0.1)
        assert c.stop() == 0
        assert set(names(sink.messages("traces"))) == names_of(load.acknowledged)


@test("loss/sigterm-under-load", seconds=90)
def sigterm_load():
    """SIGTERM while clients send: every request is either acknowledged and delivered, or refused."""
    with Scratch() as s:
        sink = s.closing(Sink(delay=0.005))
        port = free_port()
        c = collectors.start(s, "collector", collectors.NARU, queue_config(port, sink, {"queue_size": 1000}), (port,))
        loads = [s.closing(Load(port)) for _ in range(4)]
        for i, x in enumerate(loads):
            x.next = i * 1000000
        stop = [False]

        def run(x):
            while not stop[0] and len(x.refused) < 3:
                x.send(10, timeout=5)

        with ThreadPoolExecutor(4) as pool:
            futures = [pool.submit(run, x) for x in loads]
            time.sleep(0.7)
            assert c.stop(seconds=30) == 0
            stop[0] = True
            for f in futures:
                f.result()
        got = set(names(sink.messages("traces")))
        missing = set().union(*(names_of(x.acknowledged) for x in loads)) - got
        assert not missing, f"{len(missing)} acknowledged spans are lost"


def reload_config(port, path, key):
    return {"receivers": {"otlp": collectors.otlp_receiver(http=port)}, "exporters": {"file": {"path": str(path)}},
            "processors": {"attributes": {"actions": [{"key": key, "action": "insert", "value": "yes"}]}},
            "service": {"telemetry": collectors.plain(), "pipelines": collectors.pipelines(["otlp"], ["file"], ["attributes"], signals=("traces",))}}


def rewrite(scratch, config):
    import yaml
    (scratch.path / "collector.yaml").write_text(yaml.safe_dump(config) if isinstance(config, dict) else config)


@test("reload/good-configuration", seconds=60)
def reload_good():
    """SIGHUP reads the configuration again; what it says holds from then on."""
    with Scratch() as s:
        port = free_port()
        c = collectors.start(s, "collector", collectors.NARU, reload_config(port, s.path / "one.json", "before"), (port,))
        assert otlp.post(port, "traces", numbered(0, 1)).status == 200
        rewrite(s, reload_config(port, s.path / "two.json", "after"))
        c.send(signal.SIGHUP)

        def sent():
            try:
                return otlp.post(port, "traces", numbered(1, 1)).status == 200 and (s.path / "two.json").exists()
            except OSError:
                return False

        wait_until(sent, 15, 0.1, f"the new configuration runs; {c.tail()}")
        c.stop()
        one, two = canon.read_lines(s.path / "one.json", "traces"), canon.read_lines(s.path / "two.json", "traces")
        assert names(one)[0] == "span-0" and names(two)
        keys = {a.key for m in two for r in m.resource_spans for x in r.scope_spans for sp in x.spans for a in sp.attributes}
        assert keys == {"after"}, keys


@test("reload/bad-configuration-keeps-the-running-one", seconds=60)
def reload_bad():
    beyond_the_reference("it ends when the new configuration is bad")
    with Scratch() as s:
        port = free_port()
        c = collectors.start(s, "collector", collectors.NARU, reload_config(port, s.path / "one.json", "before"), (port,))
        for bad in ("receivers: [", "receivers: {otlp: {}}\nservice: {pipelines: {traces: {receivers: [otlp], exporters: [absent]}}}\n",
                    {**reload_config(port, s.path / "one.json", "x"), "processors": {"attributes": {"actoins": []}}}):
            rewrite(s, bad)
            said = len(c.stderr())
            c.send(signal.SIGHUP)
            wait_until(lambda: len(c.stderr()) > said, 10, why="it says what is wrong")
            time.sleep(0.2)
            assert c.alive(), f"it ended: {c.tail()}"
            assert otlp.post(port, "traces", numbered(0, 1)).status == 200
        rewrite(s, reload_config(port, s.path / "two.json", "after"))
        c.send(signal.SIGHUP)
        wait_until(lambda: otlp.post(port, "traces", numbered(1, 1)).status == 200 and (s.path / "two.json").exists(), 15, 0.1, "a good one is taken again")


@test("reload/listeners-stay-open-and-queues-survive", seconds=60)
def reload_listeners():
    """What a reload does not change keeps its listener and its queue: no connection is refused, no queued record lost."""
    beyond_the_reference("it closes its listeners and rebuilds everything")
    with Scratch() as s:
        sink = s.closing(Sink())
        port, other = free_port(), free_port()
        config = queue_config(port, sink, {"queue_size": 1000, "num_consumers": 1})
        c = collectors.start(s, "collector", collectors.NARU, config, (port,))
        sink.hold()
        load = s.closing(Load(port))
        for _ in range(20):
            assert load.send(10).code == grpc.StatusCode.OK
        config["receivers"]["otlp/more"] = collectors.otlp_receiver(http=other)
        config["service"]["pipelines"]["traces/more"] = {"receivers": ["otlp/more"], "exporters": ["otlp_grpc"]}
        rewrite(s, config)
        c.send(signal.SIGHUP)
        end = time.monotonic() + 15
        from process import connects
        while not connects(other):
            assert time.monotonic() < end, f"the new receiver does not listen; {c.tail()}"
            a = load.send(1)
            assert a.code == grpc.StatusCode.OK, f"refused during the reload: {a}"
            time.sleep(0.01)
        sink.release()
        for _ in range(5):
            assert load.send(10).code == grpc.StatusCode.OK
        c.stop(seconds=30)
        check_nothing_lost(load, sink)


@test("reload/one-port-of-a-receiver", seconds=60)
def reload_one_port():
    """A receiver whose HTTP port changes: at its gRPC port, which does not, nobody is refused meanwhile, though requests are under way; and a port that opens on all interfaces instead of one is taken over as well."""
    beyond_the_reference("it closes its listeners and rebuilds everything")
    with Scratch() as s:
        sink, port, http, other = s.closing(Sink(delay=0.5)), free_port(), free_port(), free_port()
        config = queue_config(port, sink, {"wait_for_result": True})
        config["receivers"]["otlp"]["protocols"]["http"] = {"endpoint": f"127.0.0.1:{http}"}
        c = collectors.start(s, "collector", collectors.NARU, config, (port, http))
        load = s.closing(Load(port))
        stop, refused = threading.Event(), []

        def connect():
            while not stop.is_set():
                try:
                    socket.create_connection(("127.0.0.1", port), 10).close()
                except OSError as e:
                    refused.append(e)
                time.sleep(0.001)

        knocking = threading.Thread(target=connect)
        knocking.start()
        try:
            with ThreadPoolExecutor(1) as pool:
                for endpoint in (f"127.0.0.1:{other}", f"0.0.0.0:{other}"):
                    under_way = pool.submit(load.send)
                    time.sleep(0.1)
                    config["receivers"]["otlp"]["protocols"]["http"]["endpoint"] = endpoint
                    runs = c.stderr().count("The new configuration runs")
                    rewrite(s, config)
                    c.send(signal.SIGHUP)
                    wait_until(lambda: c.stderr().count("The new configuration runs") > runs, 20, 0.05, f"the reload to {endpoint} ends; {c.tail()}")
                    assert under_way.result().code == grpc.StatusCode.OK
                    assert otlp.post(other, "traces", numbered(1000, 1)).status == 200
        finally:
            stop.set()
            knocking.join()
        assert not refused, f"{len(refused)} connections were refused: {refused[0]}"
        try:
            socket.create_connection(("127.0.0.1", http), 1).close()
            assert False, "the port that was left still listens"
        except ConnectionRefusedError:
            pass
        assert c.stop(seconds=30) == 0


@test("reload/a-queue-in-memory-goes-to-the-new-exporter", seconds=60)
def reload_hands_on():
    """The backend has moved: what the queue, its batches, the retries and the senders that wait for room hold goes to where the new configuration says, and each arrives once."""
    beyond_the_reference("it drops what it holds at a reload")
    for queue in ({"queue_size": 1000, "num_consumers": 2}, {"queue_size": 30, "num_consumers": 1, "block_on_overflow": True},
                  {"queue_size": 100000, "sizer": "items", "batch": {"flush_timeout": "60s", "min_size": 40}}):
        with Scratch() as s:
            old, new, port = s.closing(Sink(plan=lambda n: grpc.StatusCode.UNAVAILABLE)), s.closing(Sink()), free_port()
            config = queue_config(port, old, queue, retry={"initial_interval": "300s", "max_interval": "300s", "max_elapsed_time": "0s"})
            c = collectors.start(s, "collector", collectors.NARU, config, (port,))
            loads = [s.closing(Load(port)) for _ in range(50)]
            for i, load in enumerate(loads):
                load.next = i * 1000
            with ThreadPoolExecutor(50) as pool:
                sending = [pool.submit(load.send, 10, 30) for load in loads]
                wait_until(lambda: old.requests > 0, why="the old backend is asked")
                time.sleep(0.5)
                config["exporters"]["otlp_grpc"]["endpoint"] = f"127.0.0.1:{new.grpc_port}"
                rewrite(s, config)
                c.send(signal.SIGHUP)
                for x in sending:
                    assert x.result().code == grpc.StatusCode.OK, f"{x.result()}; {c.tail()}"
            wait_until(lambda: "The new configuration runs" in c.stderr(), 15, 0.05, "the reload ends")
            assert c.stop(seconds=30) == 0, c.tail()
            assert not old.count(), "the old backend took data"
            got = names(new.messages("traces"))
            want = set().union(*(names_of(load.acknowledged) for load in loads))
            assert sorted(got) == sorted(want), f"{len(got)} of {len(want)} arrived; {c.tail()}"


@test("loss/sigterm-and-a-backend-that-is-too-slow", seconds=90)
def sigterm_too_slow():
    """SIGTERM with more in the queue than can be sent by the deadline: what did not arrive is told at the end, to the record."""
    beyond_the_reference("it waits for its queue for ever")
    with Scratch() as s:
        sink, port = s.closing(Sink(delay=0.4)), free_port()
        c = collectors.start(s, "collector", collectors.NARU, queue_config(port, sink, {"queue_size": 1000, "num_consumers": 1}), (port,))
        load = s.closing(Load(port))
        for _ in range(100):
            assert load.send(10).code == grpc.StatusCode.OK
        assert c.stop(seconds=40) == 0
        arrived = len(set(names(sink.messages("traces"))))
        told = re.search(r"Not sent before the shutdown deadline.*?\"items\": ?(\d+)", c.stderr())
        assert told, c.tail()
        assert arrived + int(told.group(1)) == 1000, f"{arrived} arrived, {told.group(1)} are told as dropped, of 1000 acknowledged"


def branches(port, exporters, pipelines, processors=("batch",)):
    return {"receivers": {"otlp": collectors.otlp_receiver(grpc=port)}, "processors": {"batch": {"timeout": "50ms"}}, "connectors": {"forward": {}},
            "exporters": exporters, "service": {"telemetry": collectors.plain(), "pipelines": pipelines}}


@test("loss/nested-fan-outs-send-once", seconds=60)
def nested():
    """Behind batch, a pipeline, a connector and another pipeline each have two exits, and one of the last refuses for a while: what the others have comes to them once."""
    with Scratch() as s:
        first, good, bad, port = s.closing(Sink()), s.closing(Sink()), s.closing(Sink()), free_port()
        bad.hold()

        def to(sink, **more):
            return {"endpoint": f"127.0.0.1:{sink.grpc_port}", "tls": {"insecure": True}, **more}

        c = collectors.start(s, "collector", collectors.NARU, branches(port, {
            "otlp_grpc/first": to(first), "otlp_grpc/good": to(good, sending_queue={"enabled": False}),
            "otlp_grpc/bad": to(bad, timeout="30s", sending_queue={"queue_size": 1, "num_consumers": 1})}, {
                "traces": {"receivers": ["otlp"], "processors": ["batch"], "exporters": ["otlp_grpc/first", "forward"]},
                "traces/2": {"receivers": ["forward"], "exporters": ["otlp_grpc/good", "otlp_grpc/bad"]}}), (port,))
        load = s.closing(Load(port))
        for _ in range(6):
            assert load.send(10).code == grpc.StatusCode.OK
            time.sleep(0.15)
        time.sleep(1.5)
        for sink in (first, good):
            got = names(sink.messages("traces"))
            assert len(got) == len(set(got)), f"{len(got)} of {len(set(got))}; {c.tail()}"
        bad.release()
        assert c.stop(seconds=30) == 0, c.tail()
        want = sorted(names_of(load.acknowledged))
        for sink in (first, good, bad):
            assert sorted(names(sink.messages("traces"))) == want or collectors.SELF_TEST, f"{len(names(sink.messages('traces')))} of {len(want)}"


@test("loss/a-dead-exit-does-not-stop-the-others", seconds=90)
def dead_exit():
    """Behind batch one of two backends is dead and its queue full: the other one gets all that is accepted, at once and for as long as it lasts, and what the dead one loses is counted."""
    with Scratch() as s:
        good, port, own = s.closing(Sink()), free_port(), free_port()
        config = branches(port, {
            "otlp_grpc/good": {"endpoint": f"127.0.0.1:{good.grpc_port}", "tls": {"insecure": True}},
            "otlp_grpc/bad": {"endpoint": f"127.0.0.1:{free_port()}", "tls": {"insecure": True}, "sending_queue": {"queue_size": 3}}},
            {"traces": {"receivers": ["otlp"], "processors": ["batch"], "exporters": ["otlp_grpc/good", "otlp_grpc/bad"]}})
        config["service"]["telemetry"]["metrics"] = {"level": "normal", "readers": [{"pull": {"exporter": {"prometheus": {"host": "127.0.0.1", "port": own}}}}]}
        c = collectors.start(s, "collector", collectors.NARU, config, (port, own))
        load = s.closing(Load(port))
        end, late = time.monotonic() + 25, 0
        while time.monotonic() < end:
            load.send(500)
            late = max(late, sum(n for _, n in load.acknowledged) - good.count())
            time.sleep(0.02)
        accepted = sum(n for _, n in load.acknowledged)
        tried = accepted + sum(n for _, n in load.refused)
        wait_until(lambda: good.count() >= accepted, 10, 0.1, f"{good.count()} of {accepted} are there; {c.tail()}")
        assert late <= 40000, f"{late} accepted spans were not at the backend that works"
        assert accepted > tried / 4, f"only {accepted} of {tried} were accepted"
        page = otlp.http_request(own, "GET", "/metrics").body.decode()
        dropped = sum(float(line.rsplit(" ", 1)[1]) for line in page.splitlines() if line.startswith("otelcol_naru_ledger_items") and 'reason="branch_stalled"' in line)
        assert collectors.SELF_TEST or dropped > 0, page[:2000]
        c.stop(seconds=30)


@test("loss/without-a-queue-failures-are-told", seconds=60)
def told():
    """An exporter without a queue before a dead backend: the client hears it, and so do the log and otelcol_exporter_send_failed_spans."""
    with Scratch() as s:
        port, own = free_port(), free_port()
        config = branches(port, {"otlp_http": {"endpoint": f"http://127.0.0.1:{free_port()}", "sending_queue": {"enabled": False}, "retry_on_failure": {"enabled": False}}},
                          {"traces": {"receivers": ["otlp"], "exporters": ["otlp_http"]}})
        config["service"]["telemetry"]["metrics"] = {"level": "normal", "readers": [{"pull": {"exporter": {"prometheus": {"host": "127.0.0.1", "port": own}}}}]}
        c = collectors.start(s, "collector", collectors.NARU, config, (port, own))
        assert s.closing(Load(port)).send(10).code == grpc.StatusCode.UNAVAILABLE
        wait_until(lambda: "Exporting failed. Rejecting data." in c.stderr(), 5, 0.05, f"the log tells it; {c.tail()}")
        page = otlp.http_request(own, "GET", "/metrics").body.decode()
        lines = [x for x in page.splitlines() if x.startswith("otelcol_exporter_send_failed_spans") and x.endswith(" 10")]
        assert lines, page[:3000]
        c.stop()


@test("reload/a-configuration-from-a-server", seconds=90)
def reload_http():
    """The configuration comes over HTTP, from a server that takes its time: a reload holds up no request, and the process ends when it is told to, also while it reads."""
    with Scratch() as s:
        sink, port = s.closing(Sink()), free_port()
        import yaml
        text, delay = yaml.safe_dump(queue_config(port, sink, {})).encode(), [0.0]

        class Server(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                time.sleep(delay[0])
                self.send_response(200)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass

        front = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
        front.daemon_threads = True
        front.handle_error = lambda *_: None
        threading.Thread(target=front.serve_forever, args=(0.05,), daemon=True).start()
        try:
            for during in (False, True):
                delay[0] = 0.0
                c = s.start(f"collector-{during}", [*collectors.NARU, "--config", f"http://127.0.0.1:{front.server_address[1]}/c.yaml"])
                c.await_ports((port,), 15)
                load = s.closing(Load(port))
                delay[0] = 4.0
                c.send(signal.SIGHUP)
                time.sleep(0.3)
                begun = time.monotonic()
                assert load.send(10).code == grpc.StatusCode.OK
                assert collectors.SELF_TEST or time.monotonic() - begun < 2, "a request waits for the configuration"
                if not during:
                    time.sleep(4.5)
                    assert load.send(10).code == grpc.StatusCode.OK
                begun = time.monotonic()
                assert c.stop(seconds=15) == 0, c.tail()
                assert time.monotonic() - begun < 6, "it takes its time to end"
        finally:
            front.shutdown()
            front.server_close()


@test("loss/redirects-are-followed", seconds=60)
def redirects():
    """307 and 308, to another path and to another host: the request arrives there whole, without what was meant for the first host. A loop ends, and is counted."""
    with Scratch() as s:
        class Moved(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            seen = []

            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                Moved.seen.append(self.path)
                self.send_response(308 if self.path == "/v1/traces" else 307)
                target = {"/v1/traces": "/again", "/again": f"http://localhost:{sink.http_port}/v1/traces", "/loop/v1/traces": "/loop/v1/traces"}[self.path]
                self.send_header("Location", target)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        sink, port, looping = s.closing(Sink()), free_port(), free_port()
        front = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Moved)
        threading.Thread(target=front.serve_forever, args=(0.05,), daemon=True).start()
        base = f"http://127.0.0.1:{front.server_address[1]}"
        block = {"headers": {"authorization": "Bearer for-the-first", "x-tenant": "a"}, "retry_on_failure": {"enabled": False}, "sending_queue": {"enabled": False}}
        c = collectors.start(s, "collector", collectors.NARU, {
            "receivers": {"otlp": collectors.otlp_receiver(http=port), "otlp/loop": collectors.otlp_receiver(http=looping)},
            "exporters": {"otlp_http": {"endpoint": base, **block}, "otlp_http/loop": {"endpoint": base + "/loop", **block}},
            "service": {"telemetry": collectors.plain(), "pipelines": {
                "traces": {"receivers": ["otlp"], "exporters": ["otlp_http"]},
                "traces/loop": {"receivers": ["otlp/loop"], "exporters": ["otlp_http/loop"]}}}}, (port, looping))
        try:
            for i in range(3):
                assert otlp.post(port, "traces", numbered(10 * i, 10)).status == 200, c.tail()
            assert set(names(sink.messages("traces"))) == names_of([(0, 30)])
            for headers in sink.metadata():
                lower = {k.lower(): v for k, v in headers.items()}
                assert "authorization" not in lower and lower["x-tenant"] == "a", headers
            assert Moved.seen[:2] == ["/v1/traces", "/again"], Moved.seen
            before = len(Moved.seen)
            assert otlp.post(looping, "traces", numbered(0, 10)).status >= 500
            assert len(Moved.seen) - before == 10, Moved.seen[before:]
        finally:
            front.shutdown()
            front.server_close()


@test("reload/sigterm-before-it-has-ended", seconds=60)
def reload_sigterm():
    """SIGTERM while the exporter that a reload replaces still has a queue: that is sent as well."""
    beyond_the_reference("it drops what it holds at a reload")
    with Scratch() as s:
        sink, port = s.closing(Sink(delay=0.02)), free_port()
        config = queue_config(port, sink, {"num_consumers": 1})
        c = collectors.start(s, "collector", collectors.NARU, config, (port,))
        load = s.closing(Load(port))
        for _ in range(100):
            assert load.send(10).code == grpc.StatusCode.OK
        config["exporters"]["otlp_grpc"]["timeout"] = "6s"
        rewrite(s, config)
        c.send(signal.SIGHUP)
        wait_until(lambda: "Config updated" in c.stderr(), why="the reload begins")
        assert c.stop(seconds=30) == 0
        check_nothing_lost(load, sink)


@test("reload/one-that-does-not-start-loses-nothing", seconds=60)
def reload_does_not_start():
    """A new configuration whose port is taken: what batch and the retries of the exporter hold, which both would have changed, arrives."""
    beyond_the_reference("it ends when the new configuration does not start")
    with Scratch() as s, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        sink, port = s.closing(Sink(plan=lambda n: grpc.StatusCode.UNAVAILABLE if n < 2 else None)), free_port()
        config = queue_config(port, sink, {"num_consumers": 1}, {"batch": {"timeout": "60s", "send_batch_size": 100}},
                              retry={"initial_interval": "1s"})
        c = collectors.start(s, "collector", collectors.NARU, config, (port,))
        load = s.closing(Load(port))
        for _ in range(15):
            assert load.send(10).code == grpc.StatusCode.OK
        config["exporters"]["otlp_grpc"]["timeout"] = "6s"
        config["receivers"]["otlp/taken"] = collectors.otlp_receiver(grpc=taken.getsockname()[1])
        config["service"]["pipelines"]["traces"]["receivers"].append("otlp/taken")
        rewrite(s, config)
        c.send(signal.SIGHUP)
        wait_until(lambda: "going back" in c.stderr(), why="the new configuration does not start")
        assert c.stop(seconds=30) == 0
        check_nothing_lost(load, sink)


@test("reload/a-receiver-that-starts-by-half", seconds=60)
def reload_half():
    """The receiver's second port is taken by naru itself: the first one is given back, and the old configuration runs on."""
    beyond_the_reference("it ends when the new configuration does not start")
    with Scratch() as s, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        sink, port, http = s.closing(Sink()), free_port(), free_port()
        config = queue_config(port, sink, {"num_consumers": 1})
        config["receivers"]["otlp"]["protocols"]["http"] = {"endpoint": f"127.0.0.1:{http}"}
        c = collectors.start(s, "collector", collectors.NARU, config, (port, http))
        config["receivers"]["otlp"]["protocols"]["http"]["endpoint"] = f"127.0.0.1:{taken.getsockname()[1]}"
        rewrite(s, config)
        c.send(signal.SIGHUP)
        wait_until(lambda: "going back" in c.stderr(), why="the new configuration does not start")
        wait_until(lambda: otlp.post(http, "traces", numbered(0, 1)).status == 200, 10, 0.1, "the old one runs")
        assert s.closing(Load(port)).send(10).code == grpc.StatusCode.OK
        assert c.stop(seconds=30) == 0


@test("loss/large-records-fit-the-peer", seconds=60)
def large_records():
    """Batches of 10 kB records, and one request of 6 MB, behind a receiver that takes more than the backend's 4 MiB: all arrive, in requests that fit."""
    for where in ({}, {"batch": {"flush_timeout": "200ms", "min_size": 1000000}}):
        with Scratch() as s:
            sink, http = s.closing(Sink()), free_port()
            config = {"receivers": {"otlp": collectors.otlp_receiver(http=http)},
                      "exporters": {"otlp_grpc": {"endpoint": f"127.0.0.1:{sink.grpc_port}", "tls": {"insecure": True}, "sending_queue": where}},
                      "processors": {"batch": {"timeout": "300ms"}},
                      "service": {"telemetry": collectors.plain(), "pipelines": collectors.pipelines(["otlp"], ["otlp_grpc"], () if where else ("batch",), ("logs",))}}
            c = collectors.start(s, "collector", collectors.NARU, config, (http,))
            sent = 0
            for records in (100,) * 15 + (600,):
                m = otlp.REQUEST["logs"]()
                scope = m.resource_logs.add().scope_logs.add()
                for _ in range(records):
                    scope.log_records.add().body.string_value = "x" * 10000
                assert otlp.post(http, "logs", m).status == 200
                sent += records
            assert c.stop(seconds=30) == 0, c.tail()
            got = sink.messages("logs")
            assert canon.count("logs", got) == sent, f"{canon.count('logs', got)} of {sent}; {c.tail()}"
            assert max(m.ByteSize() for m in got) <= 4 << 20


def stored(directory):
    return {"file_storage": {"directory": str(directory), "fsync": True}}


@test("loss/stored-queue-survives-kill", seconds=90)
def stored_kill():
    """kill -9 with a queue on disk: after a restart everything that was acknowledged arrives (some of it perhaps twice)."""
    with Scratch() as s:
        sink = s.closing(Sink())
        sink.hold()
        port = free_port()
        (s.path / "storage").mkdir()
        config = queue_config(port, sink, {"storage": "file_storage", "queue_size": 10000, "num_consumers": 2}, extensions=stored(s.path / "storage"))
        load = Load(port)
        s.closing(load)
        c = collectors.start(s, "first", collectors.NARU, config, (port,))
        for _ in range(50):
            assert load.send(10).code == grpc.StatusCode.OK
        c.kill()
        assert not sink.received
        sink.release()
        c = collectors.start(s, "second", collectors.NARU, config, (port,))
        wait_until(lambda: len(set(names(sink.messages("traces")))) >= 500, 30, 0.05, f"the stored spans arrive; {c.tail()}")
        c.stop(seconds=30)
        check_nothing_lost(load, sink, doubles=True)


@test("loss/stored-queue-killed-again-and-again", seconds=150)
def stored_kill_often():
    """Killed at random moments under load, five times: nothing acknowledged is lost."""
    import random
    r = random.Random(5)
    with Scratch() as s:
        sink = s.closing(Sink(delay=0.01))
        port = free_port()
        (s.path / "storage").mkdir()
        config = queue_config(port, sink, {"storage": "file_storage", "queue_size": 100000, "num_consumers": 1}, extensions=stored(s.path / "storage"))
        done = []
        for round_ in range(5):
            c = collectors.start(s, f"round{round_}", collectors.NARU, config, (port,))
            load = Load(port)
            load.next = round_ * 1000000
            end = time.monotonic() + 0.3 + r.random() * 0.7
            with ThreadPoolExecutor(1) as pool:
                future = pool.submit(lambda: [load.send(10, timeout=3) for _ in iter(lambda: time.monotonic() < end + 1 and not load.refused, False)])
                time.sleep(max(0, end - time.monotonic()))
                c.kill()
                future.result()
            load.close()
            done.append(load)
        c = collectors.start(s, "last", collectors.NARU, config, (port,))
        want = set().union(*(names_of(x.acknowledged) for x in done))
        assert len(want) > 100, len(want)
        sink.delay = 0
        wait_until(lambda: want <= set(names(sink.messages("traces"))), 60, 0.2,
                   f"{len(want)} acknowledged spans arrive; {c.tail()}")


@test("loss/stored-queue-outlives-a-dead-backend", seconds=90)
def stored_backend():
    """A backend that is away, a clean stop, a start: the queue on disk is sent on."""
    with Scratch() as s:
        gone = free_port()
        port = free_port()
        (s.path / "storage").mkdir()

        class Away:
            grpc_port = gone

        config = queue_config(port, Away, {"storage": "file_storage", "queue_size": 1000}, extensions=stored(s.path / "storage"))
        load = s.closing(Load(port))
        c = collectors.start(s, "first", collectors.NARU, config, (port,))
        for _ in range(20):
            assert load.send(5).code == grpc.StatusCode.OK
        c.stop(seconds=40)
        sink = s.closing(Sink(grpc_port=gone))
        c = collectors.start(s, "second", collectors.NARU, config, (port,))
        wait_until(lambda: len(set(names(sink.messages("traces")))) >= 100, 30, 0.05, f"the stored spans arrive; {c.tail()}")
        check_nothing_lost(load, sink, doubles=True)


@test("loss/one-bad-record-does-not-cost-its-batch", seconds=60)
def bad_record():
    """The backend refuses for good what holds a certain span: the rest of the batch arrives all the same."""
    beyond_the_reference("it drops the whole batch")

    class Picky(Sink):
        def _unary(self, sig, raw, context):
            message = otlp.REQUEST[sig]()
            try:
                message.ParseFromString(raw)
                _ = names([message])
            except Exception:
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, "cannot be parsed")
            return super()._unary(sig, raw, context)

    with Scratch() as s:
        sink = s.closing(Picky())
        port = free_port()
        c = collectors.start(s, "collector", collectors.NARU, queue_config(
            port, sink, {}, {"batch": {"timeout": "500ms", "send_batch_size": 10000}}), (port,))
        load = s.closing(Load(port))
        for _ in range(5):
            assert load.send(4).code == grpc.StatusCode.OK
        # A span whose name is no UTF-8: whoever only forwards does not see it, the backend's parser does.
        bad = numbered(900, 1).SerializeToString().replace(b"span-900", b"sp\xff\xfe-900")
        answer = otlp.export(load.channel, "traces", bad)
        for _ in range(5):
            assert load.send(4).code == grpc.StatusCode.OK
        c.stop(seconds=30)
        assert answer.code in (grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.INTERNAL), answer
        check_nothing_lost(load, sink)


@test("loss/one-full-queue-of-two", seconds=60)
def fan_out():
    """batch before two exporters, of which one does not keep up: the other gets everything once, and in the end so does the slow one."""
    with Scratch() as s:
        quick, slow = s.closing(Sink()), s.closing(Sink())
        slow.hold()
        port = free_port()
        config = queue_config(port, quick, {}, {"batch": {"timeout": "10ms", "send_batch_size": 10, "send_batch_max_size": 10}})
        config["exporters"]["otlp_grpc/slow"] = {**config["exporters"]["otlp_grpc"], "endpoint": f"127.0.0.1:{slow.grpc_port}", "timeout": "60s",
                                                 "sending_queue": {"queue_size": 2, "num_consumers": 1}}
        config["service"]["pipelines"]["traces"]["exporters"].append("otlp_grpc/slow")
        c = collectors.start(s, "collector", collectors.NARU, config, (port,))
        load = s.closing(Load(port))
        for _ in range(20):
            load.send(10)
        assert load.acknowledged, "nothing at all was taken"
        time.sleep(1.5)
        slow.release()
        c.stop(seconds=40)
        check_nothing_lost(load, quick)
        if not collectors.SELF_TEST:
            check_nothing_lost(load, slow)


@test("loss/memory-limiter-refuses-before-decoding", seconds=90)
def limiter():
    """Over the limit requests are refused with a code that says try again, memory stays near the limit, and afterwards all goes on."""
    with Scratch() as s:
        sink = s.closing(Sink())
        sink.hold()
        port = free_port()
        config = queue_config(port, sink, {"queue_size": 100000, "num_consumers": 1},
                              {"memory_limiter": {"check_interval": "100ms", "limit_mib": 130 if collectors.SELF_TEST else 40, "spike_limit_mib": 10}})
        config["receivers"]["otlp"]["protocols"]["grpc"]["max_recv_msg_size_mib"] = 16
        c = collectors.start(s, "collector", collectors.NARU, config, (port,))
        load = s.closing(Load(port))
        answers = []
        end = time.monotonic() + 30
        while time.monotonic() < end and sum(1 for a in answers if a.code != grpc.StatusCode.OK) < 20:
            answers.append(load.send(20000))
        refused = [a for a in answers if a.code != grpc.StatusCode.OK]
        assert refused, f"{len(answers)} requests and nothing refused"
        assert all(a.code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED) for a in refused), refused[0]
        if not collectors.SELF_TEST:
            assert any(k == "grpc-status-details-bin" and b"RetryInfo" in v for k, v in refused[-1].trailers), "no RetryInfo"
            from edges import rss
            assert rss(c.pid) < 120, f"{rss(c.pid):.0f} MB with a limit of 40"
        sink.release()
        wait_until(lambda: load.send(10).code == grpc.StatusCode.OK, 30, 0.2, "it takes requests again")
        c.stop(seconds=40)
        check_nothing_lost(load, sink, doubles=True)  # what waited longer than the exporter's timeout was sent again
