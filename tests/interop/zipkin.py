"""Spans in the real Zipkin, as JSON and as protobuf: every field is found again by asking for the trace."""
import json
import random
import time

import collectors
import loki
import loki_rules
import otlp
from process import Scratch, free_port, wait_until
from registry import test
from sdk_matrix import peer_path


class Zipkin:
    """A Zipkin that keeps its data in memory, on a port of 127.0.0.1."""

    def __init__(self, scratch):
        self.port = free_port()
        self.child = scratch.start("zipkin", ["java", "-Xmx256m", "-Xshare:auto", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-jar",
                                              peer_path("zipkin") / "zipkin.jar"], {"QUERY_PORT": self.port, "STORAGE_TYPE": "mem"})
        self.child.await_ports([self.port], 60)
        wait_until(lambda: otlp.http_request(self.port, "GET", "/health").status == 200, 30, 0.1, f"Zipkin is well; {self.child.tail()}")

    def trace(self, trace_id, count, seconds=20):
        """The spans of a trace by id, as soon as there are `count`."""
        got = []

        def there():
            a = otlp.http_request(self.port, "GET", f"/api/v2/trace/{trace_id}")
            got[:] = json.loads(a.body) if a.status == 200 else []
            return len(got) >= count

        wait_until(there, seconds, 0.05, f"{count} spans of {trace_id}; there are {len(got)}")
        return {s["id"]: s for s in got}


def started(s, zipkin, form, metrics=None, path="/api/v2/spans"):
    http = free_port()
    config = {"receivers": {"otlp": collectors.otlp_receiver(http=http)}, "processors": {"batch": {"timeout": "50ms"}},
              "exporters": {"zipkin": {"endpoint": f"http://127.0.0.1:{zipkin.port}{path}", "format": form}},
              "service": {"telemetry": collectors.plain(), "pipelines": {"traces": {"receivers": ["otlp"], "processors": ["batch"],
                                                                                    "exporters": ["zipkin"]}}}}
    if metrics:
        loki.with_metrics(config, metrics)
    return collectors.start(s, f"collector-{form}", collectors.NARU, config, (http, *([metrics] if metrics else []))), http


def span(trace, number, **fields):
    return {"traceId": trace, "spanId": f"{number:016x}", **fields}


def request(resource, spans, scope=None):
    return otlp.from_json("traces", {"resourceSpans": [{"resource": {"attributes": loki_rules.attributes(resource)}, "scopeSpans": [
        {"scope": scope or {}, "spans": spans}]}]})


@test("zipkin/every-field", needs=("zipkin",), seconds=120)
def every_field():
    """A span with everything, in both forms."""
    with Scratch() as s:
        zipkin = Zipkin(s)
        for n, form in enumerate(("json", "proto"), 1):
            c, http = started(s, zipkin, form)
            trace = f"{n}af7651916cd43dd8448eb211c80319c"
            start = time.time_ns() // 10**6 * 10**6
            full = span(trace, 2, parentSpanId=f"{1:016x}", name="GET /Cart", kind=2, startTimeUnixNano=str(start + 1500),
                        endTimeUnixNano=str(start + 2 * 10**6), traceState="k=v", status={"code": 2, "message": "it broke"},
                        attributes=loki_rules.attributes({"http.method": "GET", "n": 5, "ok": True, "net.host.ip": "10.1.2.3", "net.host.port": 8080,
                                                          "peer.service": "db", "net.peer.ip": "2001:db8::1", "net.peer.port": "5432",
                                                          "list": ["é", 1, None]}),
                        events=[{"timeUnixNano": str(start + 10**6), "name": "plain"},
                                {"timeUnixNano": str(start + 2 * 10**6), "name": "more", "attributes": loki_rules.attributes({"a": "<x>"})}],
                        links=[{"traceId": "f" * 32, "spanId": "e" * 16}])
            assert otlp.post(http, "traces", request({"service.name": "Shop", "host.name": "h"}, [
                full, span(trace, 1, name="root", kind=1, startTimeUnixNano=str(start), endTimeUnixNano=str(start + 3 * 10**6))],
                {"name": "scope", "version": "1"})).status == 200
            got = zipkin.trace(trace, 2)
            scope = {"otel.scope.name": "scope", "otel.scope.version": "1", "otel.library.name": "scope", "otel.library.version": "1", "host.name": "h"}
            us = start // 1000
            want = {"traceId": trace, "parentId": f"{1:016x}", "id": f"{2:016x}", "kind": "SERVER", "name": "get /cart", "timestamp": us + 2,
                    "duration": 1999, "localEndpoint": {"serviceName": "shop", "ipv4": "10.1.2.3", "port": 8080},
                    "remoteEndpoint": {"serviceName": "db", "ipv6": "2001:db8::1", "port": 5432},
                    "annotations": [{"timestamp": us + 1000, "value": "plain"}, {"timestamp": us + 2000, "value": 'more|{"a":"\\u003cx\\u003e"}|0'}],
                    "tags": {**scope, "http.method": "GET", "n": "5", "ok": "true", "list": '["é",1,null]', "w3c.tracestate": "k=v", "error": "true",
                             "otel.status_code": "ERROR", "otel.status_description": "it broke",
                             "otlp.link.0": "f" * 32 + "|" + "e" * 16 + "||{}|0"}}
            told = got[f"{2:016x}"]
            assert told == want, f"{form}: {[(k, told.get(k), want.get(k)) for k in told.keys() | want.keys() if told.get(k) != want.get(k)]}"
            root = got[f"{1:016x}"]
            assert root["tags"] == {**scope, "span.kind": "internal"} and "parentId" not in root and "kind" not in root, f"{form}: {root}"
            assert c.stop() == 0


@test("zipkin/drawn-spans", needs=("zipkin",), seconds=120)
def drawn_spans():
    """400 spans with attributes of every kind, in both forms: Zipkin has the same tags of each; sent, stored and the books agree."""
    count = 400
    with Scratch() as s:
        zipkin = Zipkin(s)
        for n, form in enumerate(("json", "proto"), 1):
            metrics = free_port()
            c, http = started(s, zipkin, form, metrics)
            trace = f"{n}bf7651916cd43dd8448eb211c80319c"
            want = {}
            for i in range(1, count + 1):
                rng = random.Random(i)
                drawn = [{name: loki.any_value(rng) for name in rng.sample(loki.NAMES, rng.randrange(6))} for _ in range(2)]
                tags = {}
                for attributes in drawn:
                    for k, v in attributes.items():
                        text = loki_rules.text(v)
                        tags[k] = json.dumps(loki_rules.plain(v)) if text is None else text
                want[f"{i:016x}"] = tags, rng.choice((0, 1, 2, 3, 4, 5))
                assert otlp.post(http, "traces", request({"service.name": "drawn", **drawn[0]}, [span(
                    trace, i, name=f"n{i}", kind=want[f"{i:016x}"][1], startTimeUnixNano="1700000000000001000", endTimeUnixNano="1700000000000002000",
                    attributes=loki_rules.attributes(drawn[1]))])).status == 200
            got = zipkin.trace(trace, count)
            wrong = []
            for span_id, (tags, kind) in want.items():
                told = got[span_id].get("tags", {})
                if kind == 1:
                    assert told.pop("span.kind") == "internal"
                if told.keys() != tags.keys() or not all(same_text(told[k], tags[k]) for k in tags):
                    wrong.append(f"{form} {span_id}: {told}\n   instead of {tags}")
                assert got[span_id].get("kind", "") == ("", "", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")[kind], got[span_id]
            assert not wrong, "\n".join([f"{len(wrong)} of {count} are wrong", *wrong[:5]])
            loki.await_books(metrics, sent=count, entered=count)
            assert c.stop() == 0


def same_text(a, b):
    """Equal, or equal as JSON."""
    if a == b:
        return True
    try:
        return json.loads(a) == json.loads(b)
    except ValueError:
        return False


@test("zipkin/wrong-endpoint", needs=("zipkin",), seconds=90)
def wrong_endpoint():
    """A path that Zipkin does not have: told once, with what to do, and counted."""
    with Scratch() as s:
        zipkin, metrics = Zipkin(s), free_port()
        c, http = started(s, zipkin, "json", metrics, "/nothing")
        for i in range(3):
            assert otlp.post(http, "traces", request({}, [span("a" * 32, i + 1, name="x", startTimeUnixNano="1", endTimeUnixNano="2")])).status == 200
            time.sleep(0.2)
        wait_until(lambda: loki.books(metrics).get(("dropped", "refused_by_backend")) == 3, 10, why=f"they are counted: {loki.books(metrics)}")
        assert c.stderr().count("the endpoint must be the full URL, with /api/v2/spans") == 1, c.tail()
