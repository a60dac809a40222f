"""The command line: subcommands, exit codes and the shape of their output, beside the reference's; names of old components; `naru send` and `sink`."""
import http.server
import json
import re
import socket
import subprocess
import threading
import time

import canon
import certificates
import collectors
import differential
import otlp
import yaml
from process import Scratch, free_port, wait_until
from registry import add, beyond_the_reference, test
from sink import Sink

GOOD = """receivers: {otlp: {protocols: {grpc: {endpoint: "127.0.0.1:0"}, http: {endpoint: "127.0.0.1:0"}}}}
exporters: {nop: {}}
service: {pipelines: {traces: {receivers: [otlp], exporters: [nop]}}}
"""


def both(*words, files=None):
    """Runs naru and the reference with the same arguments; ((status, stdout, stderr) of naru, the same of the reference)."""
    with Scratch() as s:
        for name, text in (files or {}).items():
            (s.path / name).write_text(text)
        return tuple(s.run([*command, *words], seconds=20) for command in (collectors.NARU, collectors.REFERENCE))


def listens(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


@test("doors/print-what-came-last", seconds=30)
def print_last():
    """What came just before the end is printed too: traces wait a second for the rest of their spans."""
    with Scratch() as s:
        port = free_port()
        c = s.start("naru", [*collectors.NARU, "--config", "yaml:{receivers: {otlp: {protocols: {grpc: {endpoint: '127.0.0.1:%d'}}}}, "
                             "exporters: {console: }, service: {telemetry: {metrics: {level: none}}, pipelines: {traces: {receivers: [otlp], exporters: [console]}}}}" % port])
        wait_until(lambda: listens(port), 10, why="naru listens")
        sent = subprocess.run([collectors.NARU_BINARY, "send", "traces", "--endpoint", f"127.0.0.1:{port}", "--count", "8"], capture_output=True, text=True)
        assert sent.returncode == 0, sent
        assert c.stop() == 0
        assert "trace" in c.stdout().lower() and "8 spans" in c.stdout(), c.stdout()


@test("doors/send-duration", seconds=30)
def send_duration():
    """--duration alone sends until then."""
    with Scratch() as s:
        sink = s.closing(Sink())
        began = time.monotonic()
        p = subprocess.run([collectors.NARU_BINARY, "send", "traces", "--endpoint", f"127.0.0.1:{sink.grpc_port}", "--rate", "100", "--duration", "2s"], capture_output=True, text=True)
        assert p.returncode == 0 and 1.5 < time.monotonic() - began < 10, p
        assert 100 <= canon.count("traces", sink.messages("traces")) <= 300


@test("doors/version", needs=("otelcol-ref",), seconds=20)
def version():
    for flag in ("--version", "-v"):
        mine, theirs = both(flag)
        for status, out, _ in (mine, theirs):
            assert status == 0 and re.fullmatch(r"\S.* version v?\d+\.\d+\.\d+\S*\n", out), (flag, status, out)


# Arguments, and what the exit status must be in both.
STATUS = {"no-configuration": ((), 1), "no-configuration-validate": (("validate",), 1), "validate-good": (("validate", "--config", "good.yaml"), 0),
          "validate-bad": (("validate", "--config", "bad.yaml"), 1), "run-bad": (("--config", "bad.yaml"), 1),
          "run-absent": (("--config", "absent.yaml"), 1), "unknown-flag": (("--no-such-flag",), 1), "unknown-command": (("no-such-command",), 1),
          "unknown-gate": (("featuregate", "no.such.gate"), 1), "help": (("--help",), 0), "help-command": (("help",), 0), "help-of-a-command": (("help", "validate"), 0), "components": (("components",), 0),
          "featuregate": (("featuregate",), 0), "print-bad": (("print-config", "--config", "bad.yaml"), 1),
          "print-not-validated": (("print-config", "--config", "undefined.yaml", "--validate=false"), 0),
          "print-validated": (("print-config", "--config", "undefined.yaml"), 1), "print-mode": (("print-config", "--config", "good.yaml", "--mode", "x"), 1),
          "print-format": (("print-config", "--config", "good.yaml", "--format", "toml"), 1),
          "set-without-value": (("validate", "--config", "good.yaml", "--set", "a"), 1), "config-with-equals": (("validate", "--config=good.yaml"), 0),
          **{f"extra-{c}": ((c, "x", "--config", "good.yaml"), 1) for c in ("validate", "components", "print-config")},
          "append-and-compression": (("validate", "--config", "good.yaml", "--set=exporters.file={path: x, append: true, compression: zstd}"), 0),
          "body-size-default": (("validate", "--config", "good.yaml", "--set=receivers.otlp.protocols.http.max_request_body_size=-1"), 0),
          "buffer-size": (("validate", "--config", "good.yaml", "--set=receivers.otlp.protocols.grpc.read_buffer_size=-1"), 1),
          "insecure-suites-allowed": (("validate", "--config", "good.yaml", "--set=exporters.otlp_grpc={endpoint: 'x:1', tls: {include_insecure_cipher_suites: true, cipher_suites: [TLS_RSA_WITH_AES_128_CBC_SHA256]}}"), 0),
          "two-gates": (("featuregate", "service.profilesSupport", "x"), 1),
          **{f"log-level-{v}": (("validate", "--config", "good.yaml", f"--set=service.telemetry.logs.level={v}"), 0)
             for v in ("fatal", "panic", "DPANIC", "warning", "Info")},
          "config-with-scheme": (("validate", "--config=file:good.yaml"), 0)}


def exit_status(words, want):
    files = {"good.yaml": GOOD, "bad.yaml": GOOD.replace("nop: {}", "nop: {x: 1}"), "undefined.yaml": GOOD.replace("[nop]", "[nop, debug]")}
    mine, theirs = both(*words, files=files)
    assert theirs[0] == want, f"the reference ends with {theirs[0]}: {theirs[2][-300:]}"
    assert mine[0] == want, f"ends with {mine[0]} instead of {want}: {(mine[1] + mine[2])[-300:]}"
    if want:
        assert mine[1] + mine[2], "an error without a word"


for _name, (_words, _want) in STATUS.items():
    add(f"doors/exit/{_name}", lambda w=_words, x=_want: exit_status(w, x), needs=("otelcol-ref",), seconds=30)


@test("doors/components", needs=("otelcol-ref",), seconds=20)
def components():
    """The same shape; where both have a component, the same stability by signal; no aliases among the names."""
    (_, mine, _), (_, theirs, _) = both("components")
    mine, theirs = yaml.safe_load(mine), yaml.safe_load(theirs)
    assert set(mine) >= set(theirs), f"sections {sorted(mine)} instead of {sorted(theirs)}"
    assert set(mine["buildinfo"]) == set(theirs["buildinfo"]), mine["buildinfo"]
    for section in ("receivers", "processors", "exporters", "connectors", "extensions"):
        known = {c["name"]: c for c in theirs[section]}
        names = [c["name"] for c in mine[section]]
        assert names and names == sorted(names) and len(names) == len(set(names)), f"{section}: {names}"
        for c in mine[section]:
            assert set(c) == {"name", "module", "stability"}, f"{section} {c}"
            if c["name"] in known:
                want = known[c["name"]]["stability"]
                assert c["stability"] == want, f"{section} {c['name']}: {c['stability']} instead of {want}"
    missing = {s: sorted(want - {c["name"] for c in mine[s]}) for s, want in CORE.items()}
    assert not any(missing.values()), f"missing: {missing}"
    assert {p["scheme"] for p in mine["providers"]} == {p["scheme"] for p in theirs["providers"]}, mine["providers"]


CORE = {"receivers": {"otlp", "nop"}, "processors": {"memory_limiter", "batch", "attributes", "resource", "filter", "probabilistic_sampler"},
        "exporters": {"otlp_grpc", "otlp_http", "debug", "file", "nop"}, "connectors": {"forward"},
        "extensions": {"health_check", "zpages", "pprof", "basicauth", "bearertokenauth", "file_storage"}}


@test("doors/featuregate", needs=("otelcol-ref",), seconds=20)
def featuregate():
    (_, mine, _), (_, theirs, _) = both("featuregate")
    heads = [re.split(r"\s{2,}", text.splitlines()[0].strip()) for text in (mine, theirs)]
    assert heads[0] == heads[1] == ["ID", "Enabled", "Stage", "Description"], heads
    rows = {r[0]: r[1:3] for r in (re.split(r"\s{2,}", line.strip(), maxsplit=3) for line in mine.splitlines()[1:]) if len(r) >= 3}
    known = {r[0]: r[1:3] for r in (re.split(r"\s{2,}", line.strip(), maxsplit=3) for line in theirs.splitlines()[1:]) if len(r) >= 3}
    assert len(known) > 40, known
    wrong = {g: (rows.get(g), state) for g, state in known.items() if rows.get(g) != state}
    assert not wrong, f"gates that are missing or in another state (naru's, the reference's): {wrong}"
    flag = "--feature-gates=" + ",".join(("-" if enabled == "true" else "+") + g for g, (enabled, _) in known.items())
    for status, _, err in both("validate", flag, "--config", "c.yaml", files={"c.yaml": GOOD}):
        assert status == 0, err
    one, other = both("featuregate", "service.profilesSupport")
    assert one[0] == other[0] == 0
    labels = [re.findall(r"^(\w+):", text[1], re.M) for text in (one, other)]
    assert labels[0] == labels[1], labels


@test("doors/print-config-json", needs=("otelcol-ref",), seconds=20)
def print_json():
    documents = [json.loads(r[1]) for r in both("print-config", "--config", "c.yaml", "--format", "json", files={"c.yaml": GOOD})]
    mine, theirs = (differential.bare(d) for d in documents)
    for path in ("service::pipelines", "receivers::otlp::protocols::http::endpoint"):
        assert differential.at(mine, path) == differential.at(theirs, path), path


@test("doors/print-config-complete", needs=("otelcol-ref",), seconds=20)
def print_complete():
    """Every key that the reference prints for the core components, with its default, is printed here with the same value."""
    text = """receivers: {otlp: {protocols: {grpc: {}, http: {}}}}
processors: {memory_limiter: {check_interval: 1s, limit_mib: 10}, batch: {}, attributes: {actions: [{key: k, action: insert, value: v}]},
  probabilistic_sampler: {}}
exporters: {otlp_grpc: {endpoint: "h:1"}, otlp_http: {endpoint: "http://h:1"}, debug: {}, file: {path: x}, nop: {}}
extensions: {health_check: {}, zpages: {}, pprof: {}}
service: {extensions: [health_check, zpages, pprof], pipelines: {traces: {receivers: [otlp], processors: [memory_limiter, attributes, probabilistic_sampler, batch], exporters: [otlp_grpc, otlp_http, debug, file, nop]}}}
"""
    mine, theirs = (differential.bare(yaml.safe_load(r[1])) for r in both("print-config", "--config", "c.yaml", files={"c.yaml": text}))
    problems = []

    def walk(want, got, path):
        if isinstance(want, dict):
            for k, v in want.items():
                if isinstance(got, dict) and k in got:
                    walk(v, got[k], f"{path}::{k}")
                else:
                    problems.append(f"{path}::{k} is missing, the reference has {json.dumps(v)[:80]}")
        elif want != got:
            problems.append(f"{path}: {got!r} instead of {want!r}")

    for section in ("receivers", "processors", "exporters", "extensions", "service"):
        walk(theirs[section], mine.get(section, {}), section)
    problems = [p for p in problems if "::telemetry::resource" not in p]
    assert not problems, "\n".join([f"{len(problems)} differences", *problems])


@test("doors/print-config-again", seconds=30)
def print_again():
    """What print-config prints is a configuration: it loads, and prints the same again."""
    text = """receivers: {otlp: {protocols: {grpc: {}, http: {cors: {allowed_origins: ["*"]}}}}}
processors: {memory_limiter: {check_interval: 1s, limit_mib: 10}, batch: {}, attributes: {actions: [{key: k, action: insert, value: v}]},
  resource: {attributes: [{key: k, action: upsert, value: "5"}]}, probabilistic_sampler: {sampling_percentage: 5},
  filter: {logs: {include: {match_type: strict, bodies: [x]}}}}
exporters: {otlp_grpc: {endpoint: "h:1", headers: {a: b}, sending_queue: {batch: {}}}, otlp_http: {endpoint: "http://h:1", tls: {insecure: true}},
  debug: {verbosity: detailed}, file: {path: x, rotation: {}}, nop: {}}
connectors: {forward: {}}
extensions: {health_check: {}, zpages: {}, pprof: {}, basicauth: {client_auth: {username: u, password: p}}, bearertokenauth: {token: t},
  headers_setter: {headers: [{key: k, value: v}]}, file_storage: {directory: /tmp}}
service:
  extensions: [health_check, zpages, pprof]
  pipelines:
    traces: {receivers: [otlp], processors: [memory_limiter, attributes, resource, probabilistic_sampler, batch], exporters: [otlp_grpc, otlp_http, forward]}
    traces/2: {receivers: [forward], exporters: [debug, file, nop]}
    logs: {receivers: [otlp], processors: [filter], exporters: [debug]}
"""
    for form in ("yaml", "json"):
        for mode in ("redacted", "unredacted"):
            with Scratch() as s:
                name = f"again.{form}"
                (s.path / "c.yaml").write_text(text)
                printing = [*collectors.NARU, "print-config", "--format", form, "--mode", mode, "--config"]
                status, once, err = s.run([*printing, s.path / "c.yaml"])
                assert status == 0, err
                (s.path / name).write_text(once)
                status, twice, err = s.run([*printing, s.path / name])
                assert status == 0, f"{form}, {mode}: {err}"
                assert once == twice, f"{form}, {mode}: printed otherwise the second time"
                status, _, err = s.run([*collectors.NARU, "validate", "--config", s.path / name])
                assert status == 0, f"{form}, {mode}: {err}"


@test("doors/configuration-over-http", needs=("otelcol-ref",), seconds=20)
def over_http():
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = GOOD.encode() if self.path == "/good.yaml" else b"no"
            self.send_response(200 if self.path == "/good.yaml" else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    port = free_port()
    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    threading.Thread(target=httpd.serve_forever, args=(0.05,), daemon=True).start()
    try:
        for name, want in (("good.yaml", 0), ("absent.yaml", 1)):
            mine, theirs = both("validate", "--config", f"http://127.0.0.1:{port}/{name}")
            assert theirs[0] == want and mine[0] == want, (name, mine, theirs)
    finally:
        httpd.shutdown()
        httpd.server_close()


@test("doors/configuration-from-the-environment", needs=("otelcol-ref",), seconds=20)
def from_env():
    with Scratch() as s:
        for command in (collectors.NARU, collectors.REFERENCE):
            status, out, err = s.run([*command, "validate", "--config=env:WHOLE"], {"WHOLE": GOOD}, 20)
            assert status == 0, err


@test("doors/busy-port", seconds=30)
def busy():
    """A port that is taken ends the start with 1, and the message names it."""
    import socket
    with Scratch() as s, socket.socket() as taken:
        port = free_port()
        taken.bind(("127.0.0.1", port))
        taken.listen()
        config = {"receivers": {"otlp": collectors.otlp_receiver(http=port)}, "exporters": {"nop": {}},
                  "service": {"telemetry": collectors.plain(), "pipelines": collectors.pipelines(["otlp"], ["nop"])}}
        c = collectors.start(s, "collector", collectors.NARU, config)
        assert c.wait(15) == 1, c.process.returncode
        assert str(port) in c.stderr() + c.stdout(), c.tail()


@test("doors/sigint-and-sigterm-end-with-0", seconds=30)
def signals():
    import signal
    for sig in (signal.SIGINT, signal.SIGTERM):
        with Scratch() as s:
            port = free_port()
            c = collectors.start(s, "collector", collectors.NARU, GOOD.replace("127.0.0.1:0", f"127.0.0.1:{port}", 1), (port,))
            time.sleep(0.3)  # the reference listens before it has its signal handlers
            assert c.stop(sig) == 0, (sig, c.process.returncode, c.tail())


@test("doors/called-otelcol", seconds=30)
def called():
    """Under the name of a distribution the binary behaves as `naru collector`."""
    beyond_the_reference("it has one name")
    with Scratch() as s:
        (s.path / "good.yaml").write_text(GOOD)
        for name in ("otelcol", "otelcol-contrib", "otelcol-k8s"):
            (s.path / name).symlink_to(collectors.NARU_BINARY)
            for words in (("validate", "--config", "good.yaml"), ("components",), ("--version",)):
                status, out, err = s.run([s.path / name, *words], seconds=20)
                assert status == 0, f"{name} {words}: {err}"


# An old name, its modern form, and a block that it takes.
OLD = {"exporters/logging": ("debug", {"loglevel": "debug"}), "exporters/otlp": ("otlp_grpc", {"endpoint": "127.0.0.1:1", "tls": {"insecure": True}}),
       "exporters/otlphttp": ("otlp_http", {"endpoint": "http://127.0.0.1:1"})}


def old_name(section, name, modern, block):
    if name == "logging":
        beyond_the_reference("it removed logging")
    with Scratch() as s:
        port = free_port()
        config = {"receivers": {"otlp": collectors.otlp_receiver(http=port)}, "exporters": {name: block},
                  "service": {"telemetry": collectors.plain(), "pipelines": collectors.pipelines(["otlp"], [name], signals=("traces",))}}
        c = collectors.start(s, "collector", collectors.NARU, config, (port,))
        lines = [x for x in (c.stderr() + c.stdout()).splitlines() if modern in x and name in x]
        assert lines, f"nothing said of {modern}: {c.tail()}"


for _key, (_modern, _block) in OLD.items():
    add(f"doors/old-names/{_key.split('/')[1]}", lambda k=_key, m=_modern, b=_block: old_name(*k.split("/"), m, b), seconds=30)


@test("doors/all-errors-at-once", seconds=20)
def all_errors():
    """Three mistakes, three messages, each with the file, the line and the nearest key that exists."""
    beyond_the_reference("it stops at the first section")
    with Scratch() as s:
        (s.path / "c.yaml").write_text("receivers:\n  otlp:\n    protocols:\n      grpc: {endpont: x}\nexporters:\n  nop: {}\n  debug: {verbosity: lowd}\n"
                                       "processors:\n  batch: {timeuot: 1s}\nservice:\n  pipelines:\n    traces: {receivers: [otlp], exporters: [nop, fille]}\n")
        status, out, err = s.run([*collectors.NARU, "validate", "--config", "c.yaml"], seconds=20)
        text = out + err
        assert status == 1, status
        for word in ("c.yaml:4:", "endpont", "endpoint", "c.yaml:7:", "lowd", "c.yaml:9:", "timeuot", "timeout", "fille"):
            assert word in text, f"no {word!r} in: {text}"


@test("doors/schema", seconds=20)
def schema():
    beyond_the_reference("it prints no schema")
    with Scratch() as s:
        status, out, err = s.run([*collectors.NARU, "schema"], seconds=20)
        assert status == 0, err
        doc = json.loads(out)
        assert "$schema" in doc and {"receivers", "processors", "exporters", "service"} <= set(doc["properties"]), list(doc)


def families(text):
    """A metrics page as {name: (type, sets of label names)}; a histogram is one family."""
    types, found = {}, {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            types[name] = kind
        elif line and not line.startswith("#"):
            m = re.match(r"([a-zA-Z0-9_]+)(?:\{(.*)\})? ", line)
            labels = frozenset(re.findall(r'(\w+)="', m[2] or "")) - {"le"}
            base = re.sub(r"_(bucket|sum|count)$", "", m[1])
            name = base if types.get(base) == "histogram" else m[1]
            found.setdefault(name, (types.get(name), set()))[1].add(labels)
    return found


# What Go's page handler counts about itself.
GO_ONLY = {"promhttp_metric_handler_errors_total"}
SUFFIXED = {"without_type_suffix": False, "without_units": False, "without_scope_info": False}
LIMITED = {"memory_limiter": {"check_interval": "1s", "limit_mib": 500}, "batch": {"timeout": "50ms"}}


def metric_names(level, **style):
    """After traffic of all signals over both protocols, a page that the user lists has every family of the reference, of its type, with its labels."""
    from sink import Sink
    pages = []
    for name, command in (("naru", collectors.NARU), ("reference", collectors.REFERENCE)):
        with Scratch() as s:
            sink = s.closing(Sink())
            grpc, port, metrics = free_port(), free_port(), free_port()
            pipeline = {"receivers": ["otlp"], "processors": ["memory_limiter", "batch"], "exporters": ["otlp_grpc", "otlp_http"]}
            config = {"receivers": {"otlp": collectors.otlp_receiver(grpc=grpc, http=port)}, "processors": LIMITED,
                      "exporters": {"otlp_grpc": {"endpoint": f"127.0.0.1:{sink.grpc_port}", "tls": {"insecure": True}},
                                    "otlp_http": {"endpoint": f"http://127.0.0.1:{sink.http_port}"}},
                      "service": {"telemetry": {"metrics": {"level": level, "readers": [{"pull": {"exporter": {"prometheus": {
                          "host": "127.0.0.1", "port": metrics, **style}}}}]}}, "pipelines": {s: pipeline for s in ("traces", "metrics", "logs")}}}
            collectors.start(s, name, command, config, (grpc, port, metrics))
            with otlp.channel(f"127.0.0.1:{grpc}") as channel:
                for signal, message in differential.inputs_of({"input": ["traces", "metrics", "logs"]}):
                    assert otlp.post(port, signal, message).status == 200
                    otlp.export(channel, signal, message)

            def page():
                return otlp.http_request(metrics, "GET", "/metrics").body.decode()

            def sent():
                return len(re.findall(r"^otelcol_exporter_sent_\w+\{.*\} [1-9]", page(), re.M))
            wait_until(lambda: sent() == 6, 10, 0.1, "both exporters have sent every signal")
            pages.append(families(page()))
    mine, theirs = pages
    problems = [f"{n}: {mine.get(n, 'missing')} instead of {want}" for n, want in sorted(theirs.items()) if n not in GO_ONLY and mine.get(n) != want]
    assert len(theirs) > 25 and not problems, "\n".join([f"{len(problems)} differences", *problems])
    early = [n for n in mine if n.startswith(("http_", "rpc_")) or n.endswith("internal_duration")]
    assert level == "detailed" or not early, f"shown below level detailed: {early}"


@test("doors/own-metrics-of-failures", needs=("otelcol-ref",), seconds=60)
def failure_metrics():
    """At level detailed what could not be sent is counted by the error that ended it, with the same labels and values in both."""
    from sink import Sink
    found = []
    for name, command in (("naru", collectors.NARU), ("reference", collectors.REFERENCE)):
        with Scratch() as s:
            sink = s.closing(Sink(plan=lambda n: 400))
            port, metrics = free_port(), free_port()
            config = {"receivers": {"otlp": collectors.otlp_receiver(http=port)},
                      "exporters": {"otlp_http": {"endpoint": f"http://127.0.0.1:{sink.http_port}"}},
                      "service": {"telemetry": {"metrics": {"level": "detailed", "readers": [{"pull": {"exporter": {"prometheus": {
                          "host": "127.0.0.1", "port": metrics}}}}]}},
                          "pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["otlp_http"]}}}}
            c = collectors.start(s, name, command, config, (port, metrics))
            assert otlp.post(port, "traces", differential.inputs_of({"input": ["traces"]})[0][1]).status == 200

            def failed():
                text = otlp.http_request(metrics, "GET", "/metrics").body.decode()
                return {re.sub(r'server_port="\d+"', "", line) for line in text.splitlines() if line.startswith("otelcol_exporter_send_failed_spans{")}
            wait_until(failed, 10, 0.1, f"failures are counted: {c.tail()}")
            found.append({(frozenset(re.findall(r'\w+="[^"]*"', x)), x.split()[-1]) for x in failed()})
    assert found[0] == found[1], found


for _level in ("basic", "normal", "detailed"):
    add(f"doors/own-metric-names/{_level}", lambda x=_level: metric_names(x), needs=("otelcol-ref",), seconds=60)
add("doors/own-metric-names/suffixed", lambda: metric_names("detailed", **SUFFIXED), needs=("otelcol-ref",), seconds=60)


@test("doors/own-metrics", needs=("otelcol-ref",), seconds=60)
def own_metrics():
    """After the same traffic both show the same of their own metrics: names, labels and values of receivers, processors and exporters."""
    pages = []
    for name, command in (("naru", collectors.NARU), ("reference", collectors.REFERENCE)):
        with Scratch() as s:
            from sink import Sink
            sink = s.closing(Sink())
            port, metrics = free_port(), free_port()
            config = {"receivers": {"otlp": collectors.otlp_receiver(http=port)},
                      "processors": {"batch": {"timeout": "50ms"}, "filter": {"spans": {"exclude": {"match_type": "strict", "services": ["cart"]}}}},
                      "exporters": {"otlp_grpc": {"endpoint": f"127.0.0.1:{sink.grpc_port}", "tls": {"insecure": True}}, "nop": {}},
                      "service": {"telemetry": {"metrics": {"level": "normal", "readers": [{"pull": {"exporter": {"prometheus": {
                          "host": "127.0.0.1", "port": metrics}}}}]}},
                          "pipelines": {"traces": {"receivers": ["otlp"], "processors": ["filter", "batch"], "exporters": ["otlp_grpc"]},
                                        "logs": {"receivers": ["otlp"], "processors": ["batch"], "exporters": ["otlp_grpc"]},
                                        "metrics": {"receivers": ["otlp"], "exporters": ["otlp_grpc"]}}}}
            c = collectors.start(s, name, command, config, (port, metrics))
            sent = differential.inputs_of({"input": ["traces", "metrics", "logs"]})
            for signal, message in sent:
                assert otlp.post(port, signal, message).status == 200
            wait_until(lambda: {x for x, _, _ in sink.received} == {"traces", "metrics", "logs"}, 10, why="everything is sent on")

            def page():
                text = otlp.http_request(metrics, "GET", "/metrics").body.decode()
                found = {}
                for line in text.splitlines():
                    m = re.match(r"(otelcol_(?:receiver|exporter|processor)_\w+)(?:\{(.*)\})? (\S+)", line)
                    if m and not re.search(r"_(bucket|sum|count)$|duration|bytes|_size$|capacity|incoming|outgoing", m[1]):
                        labels = tuple(sorted(x for x in re.findall(r'(\w+="[^"]*")', m[2] or "") if not x.startswith(("otel_scope", "server_", "job"))))
                        found[(m[1], labels)] = float(m[3])
                return found

            wait_until(lambda: sum(v for (n, _), v in page().items() if n.startswith("otelcol_exporter_sent_")) >= sink.count(), 5, 0.05, f"all counted: {page()}")
            pages.append(page())
    mine, theirs = pages
    problems = [f"{n}{{{','.join(x)}}}: {mine.get((n, x), 'missing')} instead of {v:g}" for (n, x), v in theirs.items()
                if mine.get((n, x)) != v and not (v == 0 and (n, x) not in mine)]
    assert not problems, "\n".join([f"{len(problems)} differences", *problems])


@test("doors/send-and-sink", seconds=60)
def send_and_sink():
    """`naru send` fills a collector that exports to `naru sink`: what the one says was accepted is what the other counted."""
    beyond_the_reference("it has neither")
    with Scratch() as s:
        port, out = free_port(), free_port()
        sink = s.start("sink", [collectors.NARU_BINARY, "sink", "--help"])
        assert sink.wait(10) == 0, sink.tail()
        status, text, err = s.run([collectors.NARU_BINARY, "send", "--help"], seconds=10)
        assert status == 0 and "--rate" in text + err and "--count" in text + err, text + err
        files = {"file": {"path": str(s.path / "out.json")}}
        collectors.start(s, "collector", collectors.NARU, {
            "receivers": {"otlp": collectors.otlp_receiver(grpc=port, http=out)}, "exporters": files,
            "service": {"telemetry": collectors.plain(), "pipelines": collectors.pipelines(["otlp"], ["file"], signals=("traces",))}}, (port, out))
        status, text, err = s.run([collectors.NARU_BINARY, "send", "traces", "--endpoint", f"127.0.0.1:{port}", "--count", "100"], seconds=30)
        assert status == 0, text + err
        wait_until(lambda: canon.count("traces", canon.read_lines(s.path / "out.json", "traces", growing=True)) >= 100, 10, 0.1, "the spans are written")


@test("doors/send-says-what-failed", seconds=60)
def send_fails():
    """A socket in the file system works; an address where nobody is and a certificate that is missing are named as such, and nothing waits for ever."""
    beyond_the_reference("it has no load generator")
    send = [collectors.NARU_BINARY, "send", "traces", "--count", "20"]
    with Scratch() as s:
        c = certificates.make(s.path / "certs")
        grpc, http, socket = free_port(), free_port(), s.path / "otlp.sock"
        tls = {"cert_file": str(c / "server.crt"), "key_file": str(c / "server.key"), "client_ca_file": str(c / "ca.crt")}
        receivers = {"otlp": collectors.otlp_receiver(grpc=grpc, http=http), "otlp/socket": {"protocols": {"grpc": {"endpoint": str(socket), "transport": "unix"}}}}
        for protocol in receivers["otlp"]["protocols"].values():
            protocol["tls"] = tls
        collectors.start(s, "collector", collectors.NARU, {
            "receivers": receivers, "exporters": {"nop": {}},
            "service": {"telemetry": collectors.plain(), "pipelines": collectors.pipelines(list(receivers), ["nop"], signals=("traces",))}}, (grpc, http))
        for form in (f"unix://{socket}", f"unix:{socket}"):
            status, text, err = s.run([*send, "--endpoint", form], seconds=20)
            assert status == 0 and "20 records" in text, text + err
        for protocol, port in (("grpc", grpc), ("http/protobuf", http)):
            with_ca = [*send, "--no-retry", "--protocol", protocol, "--endpoint", f"localhost:{port}", "--tls", "--ca", c / "ca.crt"]
            status, text, err = s.run([*with_ca, "--cert", c / "client.crt", "--key", c / "client.key"], seconds=20)
            assert status == 0, text + err
            status, text, err = s.run(with_ca, seconds=20)
            assert status == 1 and "certificate required" in text and "not delivered" in text, f"{protocol}: {text + err}"
            status, text, err = s.run([*with_ca, "--cert", c / "stranger.crt", "--key", c / "stranger.key"], seconds=20)
            assert status == 1 and "unknown ca" in text, f"{protocol}: {text + err}"
        status, text, err = s.run([*send, "--endpoint", f"127.0.0.1:{free_port()}"], seconds=20)
        assert status == 1 and "connection refused" in err and "not delivered" in text and "refused for good" not in text, text + err


@test("doors/run-without-arguments", seconds=30)
def no_arguments():
    """`naru` alone listens on the standard ports, answers on 13133 and 8888, and prints what to do next. Not run where the ports are taken."""
    beyond_the_reference("it needs a configuration")
    from process import connects
    from registry import Skip
    ports = (4317, 4318, 13133, 8888)
    if any(connects(p) for p in ports):
        raise Skip("one of the standard ports is taken on this machine")
    with Scratch() as s:
        c = s.start("naru", [collectors.NARU_BINARY])
        c.await_ports(ports, 10)
        assert otlp.http_request(13133, "GET", "/").status == 200
        assert b"otelcol_" in otlp.http_request(8888, "GET", "/metrics").body
        (_, message), = differential.inputs_of({"input": ["traces"]})
        assert otlp.post(4318, "traces", message).status == 200
        wait_until(lambda: "checkout-process" in c.stdout(), 10, why=f"the spans are printed; {c.tail()}")
        text = c.stdout() + c.stderr()
        assert "OTEL_EXPORTER_OTLP_ENDPOINT" in text and "naru send" in text, text[:500]
        assert c.stop() == 0
