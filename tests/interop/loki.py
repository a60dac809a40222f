"""Logs in the real Loki: the articles' gateways, every kind of value, tenants, refusals, restarts of Loki, kill -9 of naru, and Loki's own
OTLP endpoint. What was sent is found again by LogQL."""
import json
import os
import random
import re
import signal
import threading
import time
from pathlib import Path

import collectors
import loki_rules
import otlp
import yaml
from loki_server import Loki
from process import Scratch, free_port, wait_until
from registry import Skip, beyond_the_reference, test
from sdk_matrix import peer_path
from sink import Sink

PROGRAMS = Path(__file__).resolve().parent / "programs"
# The gateway of the first article, in the reference chart's defaults.
FIRST = """
exporters:
  debug: {}
  logging: {}
  loki:
    endpoint: LOKI
    default_labels_enabled: # exporter, job, instance, level
      exporter: false
      job: true
  otlp/trace:
    endpoint: TEMPO
    tls:
      insecure: true
      insecure_skip_verify: true
processors:
  batch: {}
  memory_limiter:
    check_interval: 5s
    limit_percentage: 80
    spike_limit_percentage: 25
  attributes:
    actions:
      - action: insert
        key: loki.attribute.labels
        value: container
      - action: insert
        key: loki.format
        value: json
  resource:
    attributes:
      - action: insert
        key: loki.resource.labels
        value: service.name, service.namespace
receivers:
  otlp:
    protocols:
      grpc:
        endpoint: 127.0.0.1:GRPC
      http:
        endpoint: 127.0.0.1:HTTP
service:
  pipelines:
    logs:
      exporters: [debug, loki]
      processors: [memory_limiter, batch, attributes, resource]
      receivers: [otlp]
    traces:
      exporters: [debug, otlp/trace]
      processors: [memory_limiter, batch]
      receivers: [otlp]
"""
# The collector of the second article.
SECOND = """
receivers:
  otlp:
    protocols:
      http:
        endpoint: 127.0.0.1:HTTP
processors:
  resource:
    attributes:
      - action: insert
        key: pod
        from_attribute: k8s.pod.name
      - action: insert
        key: container
        from_attribute: k8s.container.name
      - action: insert
        key: namespace
        from_attribute: k8s.namespace.name
      - action: insert
        key: loki.resource.labels
        value: pod, namespace, container
exporters:
  loki:
    endpoint: LOKI
    default_labels_enabled:
      exporter: true
      job: true
service:
  telemetry:
    logs:
      level: info
  pipelines:
    logs:
      receivers: [otlp]
      processors: [resource]
      exporters: [loki]
"""


def filled(text, **places):
    for k, v in places.items():
        text = text.replace(k, str(v))
    config = yaml.safe_load(text)
    config["service"].setdefault("telemetry", {})["metrics"] = {"level": "none"}
    return config


def with_metrics(config, port):
    config["service"]["telemetry"] = {"metrics": {"level": "basic", "readers": [{"pull": {"exporter": {"prometheus": {
        "host": "127.0.0.1", "port": port}}}}]}}
    return config


def books(port):
    """The lines of the loki exporter's account: {(entry, reason): items}, summed over errors."""
    out = {}
    for line in otlp.http_request(port, "GET", "/metrics").body.decode().splitlines():
        m = re.match(r'otelcol_naru_ledger_items\{(.*kind="exporter".*)\} (\d+)', line)
        if m:
            labels = dict(re.findall(r'(\w+)="([^"]*)"', m[1]))
            key = (labels["entry"], labels.get("reason", ""))
            out[key] = out.get(key, 0) + int(m[2])
    return out


def await_books(port, **want):
    """Until the entries of the account are these, whatever their reasons."""
    def sums():
        out = {}
        for (entry, _), n in books(port).items():
            out[entry] = out.get(entry, 0) + n
        return out

    wait_until(lambda: want.items() <= sums().items(), 10, 0.05, f"{want} in the books: {books(port)}")


def request(resource, records, scope=("", "")):
    """An OTLP request of records as keyword arguments of loki_rules.translate, with `time`."""
    out = []
    for r in records:
        out.append({"timeUnixNano": str(r["time"]), "severityNumber": r.get("severity", 0), "severityText": r.get("severity_text", ""),
                    "body": loki_rules.otlp_value(r.get("body")), "attributes": loki_rules.attributes(r.get("record", {})),
                    "flags": r.get("flags", 0), "traceId": r.get("trace", ""), "spanId": r.get("span", "")})
        if r.get("body") is None:
            del out[-1]["body"]
    return otlp.from_json("logs", {"resourceLogs": [{"resource": {"attributes": loki_rules.attributes(resource)}, "scopeLogs": [
        {"scope": {"name": scope[0], "version": scope[1]}, "logRecords": out}]}]})


def same(got, want):
    """Equal as JSON, with numbers of one kind."""
    return json.dumps(got, sort_keys=True) == json.dumps(json.loads(json.dumps(want), parse_float=whole), sort_keys=True)


def whole(text):
    f = float(text)
    return int(f) if f == int(f) and abs(f) < 1e21 else f


@test("loki/first-article", needs=("loki",), seconds=90)
def first_article():
    """Labels of record and resource, no exporter; hints do not show."""
    with Scratch() as s:
        loki, tempo = Loki(s), s.closing(Sink())
        grpc, http = free_port(), free_port()
        c = collectors.start(s, "collector", collectors.NARU, filled(FIRST, LOKI=loki.push_url, TEMPO=f"http://127.0.0.1:{tempo.grpc_port}",
                                                                     GRPC=grpc, HTTP=http), (grpc, http))
        now = time.time_ns()
        resource = {"service.name": "greet", "service.namespace": "spring", "service.instance.id": "pod-1", "host.name": "h"}
        record = {"time": now, "severity": 13, "severity_text": "WARN", "body": "안녕하세요 <world>", "record": {"container": "app", "n": 1}}
        assert otlp.post(http, "logs", request(resource, [record]), "json").status == 200
        e = loki.wait('{job="spring/greet"}')[0]
        assert e.labels == {"job": "spring/greet", "level": "WARN", "instance": "pod-1", "service_name": "greet", "service_namespace": "spring",
                            "container": "app"}, e
        assert e.time_ns == now and not e.metadata, e
        want = {"body": "안녕하세요 <world>", "severity": "WARN", "attributes": {"n": 1}, "resources": {
            "host.name": "h", "service.instance.id": "pod-1"}}
        assert e.json() == want and list(e.json()) == list(want), e.line
        assert "\\u003cworld\\u003e" in e.line, e.line
        trace = otlp.from_json("traces", {"resourceSpans": [{"scopeSpans": [{"spans": [
            {"traceId": "1" * 32, "spanId": "2" * 16, "name": "x", "startTimeUnixNano": "1", "endTimeUnixNano": "2"}]}]}]})
        assert otlp.post(http, "traces", trace).status == 200
        wait_until(lambda: tempo.count("traces") == 1, 10, why="the trace arrives")
        assert c.alive() and c.stop() == 0, c.tail()


@test("loki/second-article", needs=("loki", "sdk-python"), seconds=90)
def second_article():
    """A Python program with the official SDK: labels of its pod, and lines as the article shows them."""
    with Scratch() as s:
        loki, http = Loki(s), free_port()
        collectors.start(s, "collector", collectors.NARU, filled(SECOND, LOKI=loki.push_url, HTTP=http), (http,))
        k8s = {"k8s.container.name": "sample", "k8s.deployment.name": "sample", "k8s.namespace.name": "example", "k8s.node.name": "example-node",
               "k8s.pod.name": "sample-1", "k8s.replicaset.name": "sample-55c69d6957", "service.instance.id": "example.sample-1.sample",
               "service.version": "latest"}
        status, out, err = s.run([peer_path("sdk-python") / "otlp/bin/python", PROGRAMS / "python_logging.py"], {
            "OTEL_SERVICE_NAME": "sample", "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{http}",
            "OTEL_RESOURCE_ATTRIBUTES": ",".join(f"{k}={v}" for k, v in k8s.items())})
        assert status == 0, f"the program ended with {status}: {err[-500:]}"
        got = loki.wait('{pod="sample-1"}', 3)
        assert len(got) == 3, got
        pod = {"pod": "sample-1", "namespace": "example", "container": "sample", "job": "sample", "instance": "example.sample-1.sample",
               "exporter": "OTLP"}
        for e, level in zip(got, ("INFO", "WARN", "ERROR")):
            assert e.labels == {**pod, "level": level}, e
            assert "loki." not in e.line, f"a hint is left: {e.line}"
            line = e.json()
            keys = [k for k in ("body", "severity", "attributes", "resources", "instrumentation_scope") if k in line]
            assert list(line) == keys and {"body", "severity", "resources", "instrumentation_scope"} <= set(keys), e.line
            assert line["resources"].items() >= {**k8s, "service.name": "sample", "telemetry.sdk.language": "python"}.items(), e.line
            assert not {"pod", "namespace", "container"} & set(line["resources"]), e.line
            assert line["instrumentation_scope"] == {"name": "shop"}, e.line
        first, second, third = (e.json() for e in got)
        assert first["body"] == '127.0.0.1 - - "GET /hello HTTP/1.1" 200 -' and first["severity"] == "INFO", first
        assert "container" not in first.get("attributes", {}), first
        assert second["body"] == "다음 <단계> & more", second
        a = third["attributes"]
        assert a["exception.type"] == "ValueError" and a["exception.message"] == "test exception" and "Traceback" in a["exception.stacktrace"], third


def seeds():
    folder = Path(os.environ.get("SEEDS") or collectors.ROOT.parent / "shared" / "seeds")
    if not folder.is_dir():
        raise Skip("the articles are not there")
    return {p.name[:3]: p.read_text() for p in folder.glob("*.txt")}


def known_components():
    import subprocess
    said = yaml.safe_load(subprocess.run([*collectors.NARU, "components"], check=True, stdout=subprocess.PIPE, text=True).stdout)
    return {kind: {c["name"] for c in said[kind]} for kind in ("receivers", "processors", "exporters")}


@test("loki/articles-load", seconds=60)
def articles_load():
    """The configurations cut out of the articles, merged over the chart's defaults, load unchanged but for components that naru lacks and the
    variable that Kubernetes sets."""
    beyond_the_reference("it has removed the loki and logging exporters")
    text = seeds()
    blocks = (text["000"].split("\nconfig:\n", 1)[1].split("\nconfig.extensions", 1)[0], text["002"].split("\nconfig:\n", 1)[1].split("\nports:", 1)[0])
    ip = "${env:MY_POD_IP}"
    known = known_components()
    aliases = {"logging": "debug", "otlp": "otlp_grpc", "otlphttp": "otlp_http"}
    for number, block in enumerate(blocks):
        config = {"extensions": {"health_check": {"endpoint": f"{ip}:13133"}}, "exporters": {"debug": {}},
                  "processors": {"batch": {}, "memory_limiter": {"check_interval": "5s", "limit_percentage": 80, "spike_limit_percentage": 25}},
                  "receivers": {"otlp": {"protocols": {"grpc": {"endpoint": f"{ip}:4317"}, "http": {"endpoint": f"{ip}:4318"}}}},
                  "service": {"extensions": ["health_check"], "pipelines": {
                      k: {"exporters": ["debug"], "processors": ["memory_limiter", "batch"], "receivers": ["otlp"]} for k in ("logs", "metrics", "traces")}}}
        merge(config, yaml.safe_load("config:\n" + block)["config"])
        assert "loki" in config["exporters"], f"article {number + 1} has no loki exporter"
        dropped = []
        for kind in ("receivers", "processors", "exporters"):
            for name in list(config[kind]):
                plain = name.split("/")[0]
                if plain in known[kind] or (kind != "processors" and aliases.get(plain) in known[kind]):
                    continue
                dropped.append(name)
                del config[kind][name]
                for p in config["service"]["pipelines"].values():
                    p[kind] = [n for n in p.get(kind, []) if n != name]
        assert set(dropped) <= {"prometheusremotewrite", "jaeger", "zipkin", "prometheus"}, dropped
        with Scratch() as s:
            path = s.path / "article.yaml"
            path.write_text(yaml.safe_dump(config))
            status, out, err = s.run([*collectors.NARU, "validate", "--config", path], {"MY_POD_IP": "127.0.0.1"})
            assert status == 0, f"article {number + 1}: {err[-600:]}"


def merge(into, over):
    """As Helm merges values: maps by key, null removes."""
    for k, v in over.items():
        if v is None and k in into:
            del into[k]
        elif v is None and k in ("jaeger", "prometheus", "zipkin"):
            pass
        elif isinstance(v, dict) and isinstance(into.get(k), dict):
            merge(into[k], v)
        else:
            into[k] = v


STRINGS = ("x", "", "two words", "é ✓ 서비스 \U0001F600", "<&>\"\\'", "a\nb\tc\r", "\x01\x7f", "{a=\"b\"}", "null", "0", " padded ")
NUMBERS = (0, 1, -1, 2**63 - 1, -2**63, 9007199254740993)
REALS = (0.25, -0.5, 1e21, 1e-7, 123456789.5, 1e300)
NAMES = ("a", "b.c", "k8s.pod.name", "9x", "_y", "__z", "dash-ed", "with space", "서비스", "env", "container")


def any_value(rng, depth=0):
    kinds = 9 if depth < 2 else 7
    kind = rng.randrange(kinds)
    if kind < 2:
        return rng.choice(STRINGS)
    if kind == 2:
        return rng.choice((True, False))
    if kind == 3:
        return rng.choice(NUMBERS)
    if kind == 4:
        return rng.choice((*REALS, float("nan"), float("inf"), float("-inf")))
    if kind == 5:
        return None
    if kind == 6:
        return rng.choice((b"", b"abc", b"\xff\x00\xfe"))
    if kind == 7:
        return [any_value(rng, depth + 1) for _ in range(rng.randrange(4))]
    return {rng.choice(NAMES): any_value(rng, depth + 1) for _ in range(rng.randrange(4))}


def drawn(seed):
    """A resource and a record by chance."""
    rng = random.Random(seed)
    names = lambda: ",".join(rng.choice((n, f" {n}", f"{n} ")) for n in rng.sample((*NAMES, "b.c.a", "absent", ""), rng.randrange(1, 5)))
    hint = lambda: names() if rng.random() < 0.7 else [*names().split(","), rng.choice((5, True, "a"))] if rng.random() < 0.8 else 5
    resource = {n: any_value(rng) for n in rng.sample(NAMES, rng.randrange(5))}
    for k in ("service.name", "service.namespace", "service.instance.id"):
        if rng.random() < 0.6:
            resource[k] = rng.choice(("shop", "cart é", "x/y", 7))
    record = {n: any_value(rng) for n in rng.sample((*NAMES, "level", "5", "true"), rng.randrange(6))}
    if rng.random() < 0.6:
        resource["loki.resource.labels"] = hint()
    if rng.random() < 0.4:
        record["loki.resource.labels"] = hint()
    if rng.random() < 0.7:
        record["loki.attribute.labels"] = hint()
    if rng.random() < 0.3:
        rng.choice((resource, record))["loki.format"] = "json"
    more = {"record": record, "body": any_value(rng), "severity": rng.choice((0, 1, 9, 17, 24)), "severity_text": rng.choice(("", "INFO", "<x>")),
            "flags": rng.choice((0, 1)), "trace": rng.choice(("", "0af7651916cd43dd8448eb211c80319c")), "span": rng.choice(("", "b7ad6b7169203331"))}
    return resource, more, rng.choice((("", ""), ("", "1"), ("scope <1>", ""), ("scope", "1.2")))


@test("loki/drawn-records", needs=("loki",), seconds=120)
def drawn_records():
    """500 records of every kind of value, hints by chance: Loki has each under the labels, and with the line, that the rules give."""
    count = 500
    with Scratch() as s:
        loki, http, metrics = Loki(s), free_port(), free_port()
        c = collectors.start(s, "collector", collectors.NARU, with_metrics({
            "receivers": {"otlp": collectors.otlp_receiver(http=http)}, "processors": {"batch": {"timeout": "50ms"}},
            "exporters": {"loki": {"endpoint": loki.push_url}},
            "service": {"pipelines": {"logs": {"receivers": ["otlp"], "processors": ["batch"], "exporters": ["loki"]}}}}, metrics), (http, metrics))
        base = time.time_ns() - count
        want = {}
        for i in range(count):
            resource, more, scope = drawn(i)
            want[base + i] = loki_rules.translate(resource, scope=scope, **more)
            assert otlp.post(http, "logs", request(resource, [{"time": base + i, **more}], scope)).status == 200, i
        got = {e.time_ns: e for e in loki.wait('{exporter="OTLP"}', count, seconds=30)}
        wrong = []
        for i in range(count):
            e, (labels, line) = got.get(base + i), want[base + i]
            if e is None:
                wrong.append(f"{i}: is not there")
            elif {k: v for k, v in e.labels.items()} != labels:
                wrong.append(f"{i}: labels {e.labels}\n   instead of {labels}")
            elif not same(e.json(), line) or list(e.json()) != list(line):
                wrong.append(f"{i}: line {e.line}\n   instead of {json.dumps(line, ensure_ascii=False)}")
        assert not wrong, "\n".join([f"{len(wrong)} of {count} are wrong; {c.tail()}", *wrong[:10]])
        await_books(metrics, sent=count, entered=count)


@test("loki/formats", needs=("loki",), seconds=60)
def formats():
    """logfmt and raw, by the hint; a format that does not exist drops the record, counted and told once."""
    with Scratch() as s:
        loki, http, metrics = Loki(s), free_port(), free_port()
        c = collectors.start(s, "collector", collectors.NARU, with_metrics({
            "receivers": {"otlp": collectors.otlp_receiver(http=http)}, "exporters": {"loki": {"endpoint": loki.push_url}},
            "service": {"pipelines": {"logs": {"receivers": ["otlp"], "exporters": ["loki"]}}}}, metrics), (http, metrics))
        base = time.time_ns()
        lines = {"logfmt": 'msg="hello world" code=200 severity=error traceID=0af7651916cd43dd8448eb211c80319c attribute_a="b c" resource_r=1',
                 "raw": "as <it> is\nand more"}
        bodies = {"logfmt": 'msg="hello world" code=200 severity=info', "raw": lines["raw"]}
        for i, form in enumerate(("logfmt", "raw", "xml", "xml")):
            record = {"time": base + i, "severity_text": "error", "body": bodies.get(form, "x"), "record": {"loki.format": form, "a": "b c"},
                      "trace": "0af7651916cd43dd8448eb211c80319c"}
            assert otlp.post(http, "logs", request({"service.name": form, "r": 1, "loki.resource.labels": "service.name"}, [record])).status == 200
        for form, line in lines.items():
            e = loki.wait(f'{{job="{form}"}}')[0]
            assert e.line == line, e.line
            assert e.labels == {"exporter": "OTLP", "job": form, "service_name": form}, e
        wait_until(lambda: books(metrics).get(("dropped", "unknown_format")) == 2, 10, why="both are counted")
        assert c.stderr().count("loki.format is none of json, logfmt, raw") == 1, c.tail()


@test("loki/tenants", needs=("loki",), seconds=60)
def tenants():
    """A tenant for each request by the hint; without one Loki refuses, which is told with its reason and counted."""
    with Scratch() as s:
        loki, http, metrics = Loki(s, tenants=True), free_port(), free_port()
        c = collectors.start(s, "collector", collectors.NARU, with_metrics({
            "receivers": {"otlp": collectors.otlp_receiver(http=http)}, "processors": {"batch": {"timeout": "200ms"}},
            "exporters": {"loki": {"endpoint": loki.push_url}},
            "service": {"pipelines": {"logs": {"receivers": ["otlp"], "processors": ["batch"], "exporters": ["loki"]}}}}, metrics), (http, metrics))
        base = time.time_ns()
        records = [{"time": base + i, "body": f"of {team}", "record": {"team": team}} for i, team in enumerate(("blue", "red", "blue", "green"))]
        assert otlp.post(http, "logs", request({"service.name": "x", "loki.tenant": "none"}, [
            {**r, "record": {**r["record"]}} for r in records])).status == 200
        wait_until(lambda: "no org id" in c.stderr(), 10, why=f"Loki's reason is told; {c.tail()}")
        wait_until(lambda: books(metrics).get(("dropped", "refused_by_backend")) == 4, 10, why="they are counted")
        for r in records:
            r["record"]["loki.tenant"] = "team"
        assert otlp.post(http, "logs", request({"service.name": "x"}, records)).status == 200
        for team, count in (("blue", 2), ("red", 1), ("green", 1)):
            got = loki.wait('{job="x"}', count, tenant=team)
            assert [e.json()["body"] for e in got] == [f"of {team}"] * count, got
            assert all(e.labels["team"] == team for e in got), got
        await_books(metrics, sent=4, dropped=4)


@test("loki/refusals", needs=("loki",), seconds=60)
def refusals():
    """What Loki does not take is dropped, counted, and told with its reason; what others sent in the same batch is stored."""
    with Scratch() as s:
        loki, http, metrics = Loki(s, limits={"max_line_size": "1KB"}), free_port(), free_port()
        c = collectors.start(s, "collector", collectors.NARU, with_metrics({
            "receivers": {"otlp": collectors.otlp_receiver(http=http)}, "processors": {"batch": {"timeout": "500ms"}},
            "exporters": {"loki": {"endpoint": loki.push_url}},
            "service": {"pipelines": {"logs": {"receivers": ["otlp"], "processors": ["batch"], "exporters": ["loki"]}}}}, metrics), (http, metrics))
        base = time.time_ns()
        for i in range(5):
            body = "x" * 3000 if i == 2 else f"good {i}"
            assert otlp.post(http, "logs", request({"service.name": "x"}, [{"time": base + i, "body": body}])).status == 200
        got = loki.wait('{job="x"}', 4)
        assert [e.json()["body"] for e in got] == [f"good {i}" for i in (0, 1, 3, 4)], got
        await_books(metrics, sent=4, dropped=1, held=0)
        assert books(metrics).get(("dropped", "rejected_by_backend")) == 1, books(metrics)
        assert "max entry size" in c.stderr(), c.tail()


# One consumer in what follows: of entries that several pushes wrote to one stream at a time, a Loki that was killed may lose some when it
# reads its log again.
class Load:
    """Sends numbered records, one a request, until it is told to stop; remembers what was acknowledged."""

    def __init__(self, port, first=0):
        self.port, self.next = port, first
        self.acknowledged, self.unsure = set(), set()
        self.stopping = False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while not self.stopping:
            n, self.next = self.next, self.next + 1
            message = request({"service.name": "load"}, [{"time": time.time_ns(), "body": n}])
            try:
                status = otlp.post(self.port, "logs", message, timeout=5).status
            except OSError:
                status = 0
                time.sleep(0.05)
            (self.acknowledged if status == 200 else self.unsure).add(n)

    def stop(self):
        self.stopping = True
        self.thread.join(20)
        assert not self.thread.is_alive(), "the load does not end"


def stored(loki):
    return [e.json()["body"] for e in loki.query('{job="load"}')]


@test("loki/restarts-of-loki", needs=("loki",), seconds=120)
def restarts():
    """Loki is stopped and killed under load: what was acknowledged is stored once, and the account says the same."""
    with Scratch() as s:
        loki, http, metrics = Loki(s), free_port(), free_port()
        c = collectors.start(s, "collector", collectors.NARU, with_metrics({
            "receivers": {"otlp": collectors.otlp_receiver(http=http)}, "processors": {"batch": {"timeout": "20ms"}},
            "exporters": {"loki": {"endpoint": loki.push_url, "timeout": "5s", "sending_queue": {"queue_size": 100000, "num_consumers": 1},
                                   "retry_on_failure": {"initial_interval": "100ms", "max_interval": "1s", "max_elapsed_time": "0"}}},
            "service": {"pipelines": {"logs": {"receivers": ["otlp"], "processors": ["batch"], "exporters": ["loki"]}}}}, metrics), (http, metrics))
        load = Load(http)
        for end in (lambda: loki.child.stop(signal.SIGTERM, 30), loki.child.kill):
            time.sleep(1)
            end()
            time.sleep(1)
            loki.start()
        time.sleep(1)
        load.stop()
        want = load.acknowledged
        assert len(want) > 200 and not load.unsure, (len(want), load.unsure)
        wait_until(lambda: set(stored(loki)) == want, 60, 0.2, f"{len(want)} records are stored, of which {len(set(stored(loki)))}; {c.tail()}")
        got = stored(loki)
        assert len(got) == len(want), f"{len(got) - len(want)} are stored twice"
        await_books(metrics, sent=len(want), entered=len(want), held=0)
        assert not [k for k, n in books(metrics).items() if k[0] == "dropped" and n], books(metrics)


@test("loki/kills-of-the-collector", needs=("loki",), seconds=150)
def kills():
    """kill -9 of a collector with a stored queue, Loki away now and then: everything acknowledged is stored; the last account is even."""
    with Scratch() as s:
        loki = Loki(s)
        storage = s.path / "storage"
        storage.mkdir()
        done = []
        for turn in range(4):
            http, metrics = free_port(), free_port()
            c = collectors.start(s, f"collector-{turn}", collectors.NARU, with_metrics({
                "extensions": {"file_storage": {"directory": str(storage)}}, "receivers": {"otlp": collectors.otlp_receiver(http=http)},
                "exporters": {"loki": {"endpoint": loki.push_url, "timeout": "5s", "sending_queue": {
                    "queue_size": 100000, "num_consumers": 1, "storage": "file_storage"},
                                       "retry_on_failure": {"initial_interval": "100ms", "max_interval": "1s", "max_elapsed_time": "0"}}},
                "service": {"extensions": ["file_storage"], "pipelines": {"logs": {"receivers": ["otlp"], "exporters": ["loki"]}}}}, metrics),
                (http, metrics))
            if turn == 3:
                break
            load = Load(http, first=turn * 1000000)
            time.sleep(0.7)
            loki.child.kill()
            time.sleep(0.7)
            c.kill()
            load.stop()
            done.append(load)
            loki.start()
        want = set().union(*(x.acknowledged for x in done))
        unsure = set().union(*(x.unsure for x in done))
        assert len(want) > 200, len(want)
        wait_until(lambda: want <= set(stored(loki)), 60, 0.2, f"{len(want)} records are stored; {sorted(want - set(stored(loki)))[:5]} are not; {c.tail()}")
        got = stored(loki)
        assert set(got) <= want | unsure, sorted(set(got) - want - unsure)[:5]
        assert len(got) == len(set(got)), f"{len(got) - len(set(got))} are stored twice"
        wait_until(lambda: not books(metrics).get(("held", "queue")) and not books(metrics).get(("held", "in_flight")), 30, why="the queue is empty")
        b = books(metrics)
        entered = sum(v for (entry, _), v in b.items() if entry == "entered")
        assert b["sent", ""] == entered and not sum(v for (entry, _), v in b.items() if entry == "dropped"), b


@test("loki/otlp-endpoint", needs=("loki",), seconds=60)
def otlp_endpoint():
    """Loki's own OTLP endpoint through otlp_http: attributes are structured metadata, the body is the line."""
    with Scratch() as s:
        loki, http = Loki(s), free_port()
        collectors.start(s, "collector", collectors.NARU, {
            "receivers": {"otlp": collectors.otlp_receiver(http=http)}, "processors": {"batch": {"timeout": "50ms"}},
            "exporters": {"otlphttp": {"endpoint": f"http://127.0.0.1:{loki.port}/otlp"}},
            "service": {"telemetry": collectors.plain(), "pipelines": {"logs": {"receivers": ["otlp"], "processors": ["batch"],
                                                                                "exporters": ["otlphttp"]}}}}, (http,))
        now = time.time_ns()
        record = {"time": now, "severity": 17, "severity_text": "ERROR", "body": "it broke: ✗", "record": {"http.method": "GET", "n": 5},
                  "trace": "0af7651916cd43dd8448eb211c80319c", "span": "b7ad6b7169203331"}
        resource = {"service.name": "direct", "k8s.pod.name": "pod-1", "host.name": "h"}
        assert otlp.post(http, "logs", request(resource, [record])).status == 200
        e = loki.wait('{service_name="direct"}')[0]
        assert e.line == "it broke: ✗" and e.time_ns == now, e
        assert e.labels.items() >= {"service_name": "direct", "k8s_pod_name": "pod-1"}.items(), e
        assert e.metadata.items() >= {"http_method": "GET", "n": "5", "host_name": "h", "severity_text": "ERROR", "severity_number": "17",
                                      "trace_id": "0af7651916cd43dd8448eb211c80319c", "span_id": "b7ad6b7169203331"}.items(), e
