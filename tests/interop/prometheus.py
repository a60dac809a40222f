"""Metrics in Prometheus: remote write 1.0 and 2.0 into the real Prometheus and asked by PromQL, equal to what the reference writes, refusals,
outages, and a queue on disk."""
import json
import random
import signal
import subprocess
import time
import urllib.parse
from pathlib import Path

import collectors
import otlp
from process import Scratch, free_port, wait_until
from registry import add, beyond_the_reference, test
from remote_write import Receiver

BUILD = Path(__file__).resolve().parents[1] / "peers" / "build"
V2 = "io.prometheus.write.v2.Request"
MS = 10**6


class Prometheus:
    """The real one, with its write API on, in a folder of the scratch folder."""

    def __init__(self, scratch, arguments=("--web.enable-remote-write-receiver",)):
        self.scratch, self.port, self.starts = scratch, free_port(), 0
        self.config = scratch.path / "prometheus.yml"
        self.config.write_text("global: {}\n")
        self.arguments = arguments
        self.start()

    def start(self):
        self.starts += 1
        folder = Path(subprocess.run([BUILD, "--path", "prometheus"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip())
        self.child = self.scratch.start(f"prometheus-{self.starts}", [
            folder / "prometheus", f"--config.file={self.config}", f"--storage.tsdb.path={self.scratch.path / 'tsdb'}",
            "--enable-feature=exemplar-storage", f"--web.listen-address=127.0.0.1:{self.port}", *self.arguments])
        wait_until(lambda: self.ready(), 30, 0.05, f"Prometheus is ready; {self.child.tail()}")

    def ready(self):
        try:
            return otlp.http_request(self.port, "GET", "/-/ready").status == 200
        except OSError:
            return False

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/api/v1/write"

    def get(self, path, **parameters):
        a = otlp.http_request(self.port, "GET", f"/api/v1/{path}?{urllib.parse.urlencode(parameters)}")
        assert a.status == 200, f"{path} {parameters}: {a}"
        return json.loads(a.body)["data"]

    def query(self, expression, at=None):
        return self.get("query", query=expression, **({"time": at} if at else {}))["result"]

    def wait(self, expression, at=None, seconds=15):
        got = []
        wait_until(lambda: got.extend(self.query(expression, at)) or got, seconds, 0.1, f"an answer to {expression}")
        return got


def config(port, url, exporter=None, pipeline=None):
    return {"receivers": {"otlp": collectors.otlp_receiver(http=port)},
            "exporters": {"prometheusremotewrite": {"endpoint": url, "tls": {"insecure": True}, **(exporter or {})}},
            "service": {"telemetry": collectors.plain(), "pipelines": {
                "metrics": {"receivers": ["otlp"], "exporters": ["prometheusremotewrite"], **(pipeline or {})}}}}


def attributes(**kv):
    return [{"key": k.replace("__", "."), "value": {"stringValue": v}} for k, v in kv.items()]


def metrics(now, *which, resource=None, scope=None):
    return otlp.from_json("metrics", {"resourceMetrics": [{"resource": {"attributes": resource if resource is not None else attributes(
        service__name="shop", service__namespace="north", service__instance__id="i1", host__name="h1")},
        "scopeMetrics": [{"scope": scope or {"name": "lib", "version": "1"}, "metrics": list(which)}]}]})


def number(now, value, **kv):
    return {"startTimeUnixNano": str(now - 10**9), "timeUnixNano": str(now), "attributes": attributes(**kv), "asDouble": value}


def counter(name, now, value, **kv):
    return {"name": name, "sum": {"aggregationTemporality": 2, "isMonotonic": True, "dataPoints": [number(now, value, **kv)]}}


def every_kind(now):
    exemplar = {"timeUnixNano": str(now), "asDouble": 0.3, "traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174"}
    return metrics(
        now, counter("sold", now, 7, shop="a"),
        {"name": "temperature", "unit": "Cel", "description": "How warm it is", "gauge": {"dataPoints": [number(now, -3.5)]}},
        {"name": "took", "unit": "s", "histogram": {"aggregationTemporality": 2, "dataPoints": [{
            "startTimeUnixNano": str(now - 10**9), "timeUnixNano": str(now), "count": "6", "sum": 8.5, "bucketCounts": ["1", "2", "3"],
            "explicitBounds": [0.1, 0.5], "exemplars": [exemplar]}]}},
        {"name": "size", "unit": "By", "exponentialHistogram": {"aggregationTemporality": 2, "dataPoints": [{
            "startTimeUnixNano": str(now - 10**9), "timeUnixNano": str(now), "count": "9", "sum": 40.0, "scale": 2, "zeroCount": "1",
            "positive": {"offset": 1, "bucketCounts": ["3", "0", "5"]}}]}},
        {"name": "old", "summary": {"dataPoints": [{"timeUnixNano": str(now), "count": "3", "sum": 1.5,
                                                    "quantileValues": [{"quantile": 0.5, "value": 0.4}]}]}})


def written(version):
    """Every kind of metric is found by PromQL, with target_info, the labels of the articles and exemplars."""
    with Scratch() as s:
        prometheus, port = Prometheus(s), free_port()
        exporter = {"external_labels": {"collector_label": "10.1.2.3"}, "send_metadata": version == 1, **({"protobuf_message": V2} if version == 2 else {})}
        c = collectors.start(s, "collector", collectors.NARU, config(port, prometheus.url, exporter), (port,))
        now = time.time_ns()
        assert otlp.post(port, "metrics", every_kind(now)).status == 200
        ours = 'job="north/shop",instance="i1",collector_label="10.1.2.3"'

        def value(expression):
            r = prometheus.wait(expression)
            assert len(r) == 1, f"{expression}: {r}; {c.tail()}"
            return float(r[0]["value"][1])

        assert value(f'sold_total{{{ours},shop="a",otel_scope_name="lib"}}') == 7
        assert value(f"temperature_celsius{{{ours}}}") == -3.5
        assert value(f'took_seconds_bucket{{{ours},le="0.5"}}') == 3
        assert value(f'took_seconds_bucket{{{ours},le="+Inf"}}') == 6
        assert value(f"took_seconds_sum{{{ours}}}") == 8.5
        assert value(f"histogram_count(size_bytes{{{ours}}})") == 9
        assert abs(value(f"histogram_quantile(0.9, size_bytes{{{ours}}})") - 1.7) < 0.3
        assert value(f'old{{{ours},quantile="0.5"}}') == 0.4
        assert value(f'target_info{{{ours},host_name="h1"}}') == 1
        found = prometheus.get("query_exemplars", query="took_seconds_bucket", start=now / 1e9 - 60, end=now / 1e9 + 60)
        assert found and found[0]["exemplars"][0]["labels"]["trace_id"] == "5b8efff798038103d269b633813fc60c", found
        if version == 1:
            told = prometheus.get("metadata", metric="temperature_celsius")
            assert told.get("temperature_celsius", [{}])[0].get("type", "gauge") == "gauge", told
        # A point without a value ends the series.
        gone = counter("sold", now + 1000 * MS, 0, shop="a")
        gone["sum"]["dataPoints"][0]["flags"] = 1
        assert otlp.post(port, "metrics", metrics(now, gone)).status == 200
        wait_until(lambda: not prometheus.query(f'sold_total{{{ours}}}', now / 1e9 + 2), 15, 0.1, "the series ends")
        c.stop()


add("prometheus/remote-write/every-kind", lambda: written(1), needs=("prometheus",), seconds=90)
add("prometheus/remote-write/every-kind-version-2", lambda: written(2), needs=("prometheus",), seconds=90)


@test("prometheus/remote-write/without-the-flag", needs=("prometheus",), seconds=60)
def without_flag():
    """A Prometheus without its write API answers 404: the log names the flag, and the points are counted as dropped."""
    with Scratch() as s:
        prometheus, port = Prometheus(s, arguments=()), free_port()
        c = collectors.start(s, "collector", collectors.NARU, config(port, prometheus.url), (port,))
        assert otlp.post(port, "metrics", every_kind(time.time_ns())).status == 200
        wait_until(lambda: "404" in c.stderr(), 15, 0.1, "the refusal is told")
        assert collectors.SELF_TEST or "--web.enable-remote-write-receiver" in c.stderr(), c.tail()
        c.stop()


@test("prometheus/remote-write/restart-and-kill", needs=("prometheus",), seconds=120)
def restart():
    """Prometheus goes and comes back, naru is killed with its queue on disk: every sample is found, in its order."""
    beyond_the_reference("its wal loses what is in flight when it is killed")
    with Scratch() as s:
        prometheus, port = Prometheus(s), free_port()
        block = {"wal": {"directory": str(s.path / "wal")}, "retry_on_failure": {"initial_interval": "100ms", "max_interval": "300ms"}}
        c = collectors.start(s, "collector", collectors.NARU, config(port, prometheus.url, block), (port,))
        begin = time.time_ns() - 100 * 10**9
        at = 0

        def send(n):
            nonlocal at
            for _ in range(n):
                at += 1
                m = metrics(0, counter("sent", begin + at * 100 * MS, at))
                assert otlp.post(port, "metrics", m).status == 200

        send(50)
        prometheus.child.stop()
        send(100)
        c.send(signal.SIGKILL)
        c.wait(10)
        c = collectors.start(s, "again", collectors.NARU, config(port, prometheus.url, block), (port,))
        send(50)
        prometheus.start()
        end = (begin + at * 100 * MS) / 1e9

        def samples():
            r = prometheus.query("sent_total[200s]", end + 0.001)
            return [float(v) for _, v in r[0]["values"]] if r else []

        try:
            wait_until(lambda: len(samples()) >= at, 30, 0.2)
        except AssertionError:
            assert False, f"{len(samples())} of {at} samples, {samples()[:3]} to {samples()[-3:]}; {c.tail(800)}; {prometheus.child.tail(800)}"
        assert samples() == [float(i + 1) for i in range(at)], samples()
        assert c.stop(seconds=30) == 0


@test("prometheus/remote-write/refusals", seconds=60)
def refusals():
    """A 400 costs the points of its request and is told once with the backend's words; 429 and 503 are tried again after the delay that they name."""
    with Scratch() as s:
        answers = {0: (400, {}, "out of order sample\nmore"), 1: (429, {"Retry-After": "1"}, "slow down"), 2: (503, {}, "")}
        receiver, port = s.closing(Receiver(answers.get)), free_port()
        c = collectors.start(s, "collector", collectors.NARU, config(port, receiver.url, {"headers": {"X-Scope-OrgID": "acme"}}), (port,))
        now = time.time_ns()
        for i in range(3):
            assert otlp.post(port, "metrics", metrics(now, counter("a", now + i * MS, i))).status == 200
        def sums():
            return [w[1] for labels, w in receiver.lines if dict(labels)["__name__"] == "a_total"]

        wait_until(lambda: len(sums()) >= 2, 20, 0.1, f"the other two arrive; {c.tail()}")
        path, headers, _ = receiver.requests[0]
        assert path == "/api/v1/write" and headers["x-scope-orgid"] == "acme" and headers["content-encoding"] == "snappy", headers
        assert headers["x-prometheus-remote-write-version"] == "0.1.0", headers
        assert sums() == [1, 2], sums()
        assert collectors.SELF_TEST or "out of order sample" in c.stderr(), c.tail()
        c.stop()


@test("prometheus/remote-write/requests-are-cut", seconds=60)
def cut():
    """A large batch becomes requests of about max_batch_size_bytes, in order, and all of it arrives."""
    with Scratch() as s:
        receiver, port = s.closing(Receiver()), free_port()
        c = collectors.start(s, "collector", collectors.NARU, config(port, receiver.url, {"max_batch_size_bytes": 20000}), (port,))
        now = time.time_ns()
        m = metrics(now, {"name": "many", "gauge": {"dataPoints": [number(now, i, n=str(i)) for i in range(2000)]}})
        assert otlp.post(port, "metrics", m).status == 200
        wait_until(lambda: sum(dict(x)["__name__"] == "many" for x, _ in receiver.lines) >= 2000, 20, 0.1, f"all arrive; {c.tail()}")
        got = sorted(w[1] for labels, w in receiver.lines if dict(labels)["__name__"] == "many")
        assert got == [float(i) for i in range(2000)]
        assert len(receiver.requests) >= 10, len(receiver.requests)
        c.stop()


# Values that names, labels and numbers have in the generated cases.
NAMES = ["requests", "http.server.duration", "a..b", "2xx", "naïve.count", "total", "sold_total", "cpu.ratio", "x:y", "_hidden", "用户", "used.bytes"]
UNITS = ["", "s", "ms", "By", "By/s", "1", "{things}", "{a}/s", "%", "1/min", "KiBy", "foo bar", "m/w"]
KEYS = ["plain", "with.dot", "with_dot", "with-dot", "1st", "_under", "__two", "größe", "UPPER", "code", "job", "instance", "空"]
VALUES = [{"stringValue": "x"}, {"stringValue": ""}, {"stringValue": "größe \" \\ \n"}, {"intValue": "-9223372036854775808"}, {"doubleValue": 1e-7}, {"doubleValue": 1e21},
          {"doubleValue": 2.0}, {"boolValue": True}, {"bytesValue": "AAEC"}, {"arrayValue": {"values": [{"intValue": "1"}, {"stringValue": "a"}]}},
          {"kvlistValue": {"values": [{"key": "k", "value": {"boolValue": False}}]}}, {}, {"doubleValue": "NaN"}, {"stringValue": "x" * 300}]
NUMBERS = [0.0, 1.0, -1.5, 1e300, 5e-324, 0.1, float("inf"), float("-inf"), float("nan"), 123456789.0]


def generated(r, now):
    """A request with a few metrics of every kind, odd names, values and times. Not with scales above 8: there the reference puts counts into
    wrong buckets when a merged one begins with an empty one."""
    def some(keys, most=4):
        return [{"key": k, "value": r.choice(VALUES)} for k in r.sample(keys, r.randrange(most + 1))]

    def plain(v):
        return v if v == v and abs(v) != float("inf") else {"inf": "Infinity", "-inf": "-Infinity"}.get(str(v), "NaN")

    def exemplars():
        return [{"timeUnixNano": str(now), "asDouble": r.choice([0.05, 0.2, 3.0, 1e9]), "filteredAttributes": some(["user", "long"], 2),
                 **({"traceId": f"{r.getrandbits(128):032x}", "spanId": f"{r.getrandbits(64):016x}"} if r.random() < 0.7 else {})} for _ in range(r.randrange(3))]

    def common(extra):
        return {"startTimeUnixNano": str(now - r.randrange(10**12)), "timeUnixNano": str(now + r.randrange(1000) * MS + r.randrange(MS)),
                "attributes": some(KEYS), **({"flags": 1} if r.random() < 0.1 else {}), **extra}

    out = []
    for _ in range(r.randrange(1, 4)):
        rm = {"resource": {"attributes": some(["service.name", "service.namespace", "service.instance.id", "host.name", "with.dot", "a..b"], 5)}, "scopeMetrics": []}
        for _ in range(r.randrange(1, 3)):
            list_ = []
            for _ in range(r.randrange(1, 4)):
                m = {"name": r.choice(NAMES), "unit": r.choice(UNITS), "description": r.choice(["", "About it"])}
                kind, points = r.choice(["gauge", "sum", "sum", "histogram", "exponentialHistogram", "summary"]), []
                temporality = r.choice([2, 2, 2, 2, 1])
                for _ in range(r.randrange(1, 4)):
                    if kind in ("gauge", "sum"):
                        points.append(common({**({"asInt": str(r.randrange(-5, 10**15))} if r.random() < 0.5 else {"asDouble": plain(r.choice(NUMBERS))}), "exemplars": exemplars()}))
                    elif kind == "histogram":
                        bounds = sorted(r.sample([0.005, 0.1, 1.0, 2.5, 100.0, 1e15], r.randrange(5)))
                        counts = [r.randrange(5) for _ in range(len(bounds) + 1)]
                        points.append(common({"count": str(sum(counts)), "bucketCounts": [str(n) for n in counts], "explicitBounds": bounds, "exemplars": exemplars(),
                                              **({"sum": r.choice([0.0, 12.5, -1.0])} if r.random() < 0.8 else {})}))
                    elif kind == "exponentialHistogram":
                        def side():
                            return {"offset": r.randrange(-20, 20), "bucketCounts": [str(r.choice([0, 0, 0, 1, 2, 7])) for _ in range(r.randrange(12))]}
                        points.append(common({"count": str(r.randrange(50)), "scale": r.choice([-5, -4, 0, 3, 8]), "zeroCount": str(r.randrange(3)), "positive": side(), "negative": side(),
                                              "exemplars": exemplars(), **({"sum": 3.5} if r.random() < 0.8 else {}), **({"zeroThreshold": 0.01} if r.random() < 0.3 else {})}))
                    else:
                        points.append(common({"count": str(r.randrange(9)), "sum": r.choice([0.0, 2.5]),
                                              "quantileValues": [{"quantile": q, "value": r.choice([0.0, 1.5])} for q in (0, 0.5, 0.99, 1)[:r.randrange(5)]]}))
                data = {"dataPoints": points}
                if kind != "gauge" and kind != "summary":
                    data["aggregationTemporality"] = temporality
                if kind == "sum":
                    data["isMonotonic"] = r.random() < 0.6
                list_.append({**m, kind: data})
            rm["scopeMetrics"].append({"scope": {"name": r.choice(["", "lib"]), "version": r.choice(["", "1.0"]), "attributes": some(["name", "x.y", "1st"], 2)}, "metrics": list_})
        out.append(rm)
    return otlp.from_json("metrics", {"resourceMetrics": out})


SETTINGS = {
    "defaults": {},
    "no-suffixes": {"add_metric_suffixes": False},
    "strategy-without-suffixes": {"translation_strategy": "UnderscoreEscapingWithoutSuffixes"},
    "namespace": {"namespace": "my.ns"},
    "external": {"external_labels": {"cluster": "c", "with.dot": "external", "job": "mine"}},
    "resource-labels": {"resource_to_telemetry_conversion": {"enabled": True}},
    "resource-labels-without-service": {"resource_to_telemetry_conversion": {"enabled": True, "exclude_service_attributes": True}, "target_info": {"enabled": False}},
    "no-scope": {"disable_scope_info": True},
    "no-target": {"target_info": {"enabled": False}},
    "metadata": {"send_metadata": True},
}
CASES = 40  # of each setting


def comparable(lines):
    """As a sorted list of texts, for the reference has no order; without empty labels, which the specification forbids and the reference makes
    of empty attributes of the scope."""
    return sorted(repr((tuple(l for l in labels if l[1]), what)) for labels, what in lines)


def described(receiver):
    """What is told of families that have a series, by their names: the reference tells of some that have none, and of others twice."""
    names = {dict(labels)["__name__"] for labels, _ in receiver.lines}
    out = {}
    for name, *rest in receiver.metadata:
        if "the_mark" not in name and any(n in names for n in (name, name + "_bucket", name + "_sum", name + "_count")):
            out.setdefault(name, []).append(tuple(rest))
    return out


def as_the_reference(name, settings):
    with Scratch() as s:
        sides = []
        for who, command in (("naru", collectors.NARU), ("reference", collectors.REFERENCE)):
            receiver, port = s.closing(Receiver()), free_port()
            block = config(port, receiver.url, settings)
            if who == "reference":
                block["exporters"] = {"prometheus_remote_write": block["exporters"]["prometheusremotewrite"]}
                block["service"]["pipelines"]["metrics"]["exporters"] = ["prometheus_remote_write"]
            child = collectors.start(s, who, command, block, (port,))
            sides.append((receiver, port, child))
        r = random.Random(f"remote-write-{name}")
        now = 1_700_000_000_000_000_000
        mark = metrics(now, {"name": "the.mark", "gauge": {"dataPoints": [number(now, 1)]}}, resource=[])
        for i in range(CASES):
            request = generated(r, now)
            got = []
            for receiver, port, child in sides:
                receiver.lines.clear()
                receiver.metadata.clear()
                assert otlp.post(port, "metrics", request).status == 200
                # One consumer each: when the mark is there, all of the request is.
                assert otlp.post(port, "metrics", mark).status == 200
                wait_until(lambda: any("the_mark" in dict(x)["__name__"] for x, _ in receiver.lines), 10, 0.005, f"case {i} arrives; {child.tail()}")
                got.append((comparable(x for x in receiver.lines if "the_mark" not in dict(x[0])["__name__"]), described(receiver)))
            ours, theirs = got[0][0], got[1][0]
            if ours != theirs:
                only = [x for x in ours if x not in theirs][:2], [x for x in theirs if x not in ours][:2]
                raise AssertionError(f"case {i}: naru has {only[0]}, the reference {only[1]}; {otlp.to_json(request)}"[:3000])
            ours, theirs = got[0][1], got[1][1]
            assert ours.keys() == theirs.keys() and all(set(ours[k]) <= set(theirs[k]) for k in ours), f"case {i}: metadata {ours}, the reference {theirs}"


for _name, _settings in SETTINGS.items():
    add(f"prometheus/remote-write/as-the-reference/{_name}", lambda n=_name, x=_settings: as_the_reference(n, x), needs=("otelcol-ref",), seconds=120)
