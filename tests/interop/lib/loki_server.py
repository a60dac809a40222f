"""The real Loki as a process of a test: started, asked by LogQL, stopped."""
import json
import subprocess
import time
import urllib.parse
from pathlib import Path

import otlp
import yaml
from process import free_port, wait_until

BUILD = Path(__file__).resolve().parents[2] / "peers" / "build"


def binary():
    return Path(subprocess.run([BUILD, "--path", "loki"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()) / "loki"


class Entry:
    """A line as Loki returns it: the labels of its stream, nanoseconds, text, structured metadata."""

    def __init__(self, labels, time_ns, line, metadata):
        self.labels, self.time_ns, self.line, self.metadata = labels, time_ns, line, metadata

    def __repr__(self):
        return f"{self.labels} {self.time_ns} {self.line!r} {self.metadata}"

    def json(self):
        return json.loads(self.line)


class Loki:
    """One Loki that keeps its data in a folder of the scratch folder, on ports of 127.0.0.1 that stay the same from start to start.

    It adds no labels of its own (service_name) and finds no levels, so that streams have exactly the labels that were pushed.
    `limits` are more keys of limits_config; with `tenants` every request has to name one.
    """

    def __init__(self, scratch, tenants=False, limits=None):
        self.scratch, self.tenants = scratch, tenants
        self.port, grpc = free_port(), free_port()
        run = scratch.path / "loki"
        config = {
            "auth_enabled": tenants, "analytics": {"reporting_enabled": False},
            "server": {"http_listen_address": "127.0.0.1", "http_listen_port": self.port, "grpc_listen_address": "127.0.0.1",
                       "grpc_listen_port": grpc, "log_level": "warn"},
            "common": {"instance_addr": "127.0.0.1", "path_prefix": str(run), "replication_factor": 1, "ring": {"kvstore": {"store": "inmemory"}},
                       "storage": {"filesystem": {"chunks_directory": str(run / "chunks"), "rules_directory": str(run / "rules")}}},
            "schema_config": {"configs": [{"from": "2020-10-24", "store": "tsdb", "object_store": "filesystem", "schema": "v13",
                                           "index": {"prefix": "index_", "period": "24h"}}]},
            "limits_config": {"allow_structured_metadata": True, "reject_old_samples": False, "ingestion_rate_mb": 64, "ingestion_burst_size_mb": 128,
                              "discover_service_name": [], "discover_log_levels": False, "max_label_names_per_series": 30,
                              "max_entries_limit_per_query": 1000000, **(limits or {})},
            # Else the first query waits ten seconds for the parts to find each other.
            "frontend_worker": {"frontend_address": f"127.0.0.1:{grpc}"},
            "ingester": {"lifecycler": {"min_ready_duration": "0s", "final_sleep": "0s"}},
        }
        self.config = scratch.path / "loki.yaml"
        self.config.write_text(yaml.safe_dump(config))
        self.starts = 0
        self.start()

    @property
    def push_url(self):
        return f"http://127.0.0.1:{self.port}/loki/api/v1/push"

    def start(self):
        self.starts += 1
        self.child = self.scratch.start(f"loki-{self.starts}", [binary(), f"-config.file={self.config}"])
        self.child.await_ports([self.port], 30)
        # Its own readiness comes ten seconds late; what counts is that it takes an entry.
        wait_until(lambda: self.push("probe", "x").status == 204, 30, 0.05, f"Loki takes an entry; {self.child.tail()}")

    def push(self, name, line):
        body = {"streams": [{"stream": {"naru_probe": name}, "values": [[str(time.time_ns()), line]]}]}
        try:
            return otlp.http_request(self.port, "POST", "/loki/api/v1/push", json.dumps(body),
                                     {"Content-Type": "application/json", **self._tenant("probe")})
        except OSError:
            return otlp.Answer(0, {}, b"")

    def _tenant(self, tenant):
        return {"X-Scope-OrgID": tenant} if self.tenants else {}

    def get(self, path, tenant=None, **parameters):
        a = otlp.http_request(self.port, "GET", f"/loki/api/v1/{path}?{urllib.parse.urlencode(parameters)}", headers={
            "X-Loki-Response-Encoding-Flags": "categorize-labels", **self._tenant(tenant)})
        assert a.status == 200, f"{path} {parameters}: {a}"
        return json.loads(a.body)["data"]

    def query(self, selector, tenant=None, since=3600, limit=1000000):
        """All entries of a LogQL log query, in order of time."""
        now = time.time_ns()
        data = self.get("query_range", tenant, query=selector, start=now - since * 10**9, end=now + 600 * 10**9, limit=limit, direction="forward")
        out = []
        for stream in data["result"]:
            for time_ns, line, *more in stream["values"]:
                out.append(Entry(stream["stream"], int(time_ns), line, (more[0] if more else {}).get("structuredMetadata", {})))
        return sorted(out, key=lambda e: e.time_ns)

    def wait(self, selector, count=1, tenant=None, seconds=20):
        """The entries, as soon as there are `count` of them."""
        got = []

        def there():
            got[:] = self.query(selector, tenant)
            return len(got) >= count

        wait_until(there, seconds, 0.05, f"{count} entries of {selector}; the last answer had {len(got)}")
        return got
