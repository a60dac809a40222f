"""The two collectors under comparison: how each is called, started and configured."""
import os
import shlex
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[3]
PEERS = Path(os.environ.get("PEERS") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "naru" / "peers")
NARU_BINARY = str(Path(os.environ.get("NARU") or ROOT / "build/release/naru").absolute())
# The whole command of the collector under test; set to a reference collector it shows that every test can be satisfied.
NARU = shlex.split(os.environ["NARU_COLLECTOR"]) if os.environ.get("NARU_COLLECTOR") else [NARU_BINARY, "collector"]
REFERENCE = [str(PEERS / "otelcol-ref")]
SELF_TEST = bool(os.environ.get("NARU_COLLECTOR"))


def plain(extra=None):
    """The service::telemetry of a test: nothing listens beside what the test asks for."""
    return {"logs": {"level": "info"}, "metrics": {"level": "none"}, **(extra or {})}


def otlp_receiver(grpc=None, http=None, **both):
    """An otlp receiver block on ports of 127.0.0.1; `both` holds keys for each protocol that is on."""
    protocols = {}
    if grpc:
        protocols["grpc"] = {"endpoint": f"127.0.0.1:{grpc}", **both}
    if http:
        protocols["http"] = {"endpoint": f"127.0.0.1:{http}", **both}
    return {"protocols": protocols}


def pipelines(receivers, exporters, processors=(), signals=("traces", "metrics", "logs")):
    return {s: {"receivers": list(receivers), "processors": list(processors), "exporters": list(exporters)} for s in signals}


def file_exporters(folder, signals=("traces", "metrics", "logs")):
    """One file exporter a signal, JSON, and where each writes."""
    paths = {s: folder / f"{s}.json" for s in signals}
    return {f"file/{s}": {"path": str(p)} for s, p in paths.items()}, paths


def file_pipelines(receivers, signals=("traces", "metrics", "logs"), processors=()):
    return {s: {"receivers": list(receivers), "processors": list(processors), "exporters": [f"file/{s}"]} for s in signals}


def start(scratch, name, command, config, ports=(), env=None, arguments=(), seconds=15.0):
    """Writes the configuration beside the process, starts `command --config FILE`, and waits until it listens."""
    path = scratch.path / f"{name}.yaml"
    path.write_text(config if isinstance(config, str) else yaml.safe_dump(config, sort_keys=False, allow_unicode=True))
    child = scratch.start(name, [*command, "--config", path, *arguments], env)
    child.await_ports(ports, seconds)
    return child
