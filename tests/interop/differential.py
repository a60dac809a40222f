"""The same configuration and the same input in the collector under test and in the reference: equal records, equal text, equal verdicts.

Each file under differential/cases is one case; README.md describes their keys. Cases that send telemetry are put together, many to a process,
each with receivers, processors and exporters of its own; cases about configuration run the program once each. A case also says (or it follows
from its form) how its feature is switched off, and the comparison must fail then.
"""
import copy
import json
import random
from pathlib import Path

import canon
import collectors
import otlp
import registry
import yaml
from process import Scratch, free_port

HERE = Path(__file__).resolve().parent / "differential"
GROUP = 20  # cases to a process
INPUTS = {}


# ---------------------------------------------------------------- inputs

def generated(spec):
    """Many records with identifiers drawn from a seed: for samplers."""
    r = random.Random(spec.get("seed", 1))
    out = []
    for i in range(spec["count"]):
        record = {"traceId": f"{r.getrandbits(128):032x}", "spanId": f"{r.getrandbits(64):016x}", "attributes": []}
        if spec.get("ids") == "few":
            record["traceId"] = f"{1 + i % 7:032x}"
        if spec.get("ids") == "none":
            del record["traceId"], record["spanId"]
        record["attributes"].append({"key": "n", "value": {"intValue": i}})
        record["attributes"].append({"key": "name", "value": {"stringValue": f"name-{r.randrange(50)}"}})
        if spec.get("priority") and i % 5 == 0:
            kind, v = spec["priority"][(i // 5) % len(spec["priority"])]
            record["attributes"].append({"key": "sampling.priority", "value": {kind: v}})
        if spec.get("also"):
            for key, kind, v in spec["also"][i % len(spec["also"])]:
                v = v.replace("RANDOM", f"{r.getrandbits(56):014x}") if isinstance(v, str) else v
                record["attributes"].append({"key": key, "value": {kind: v}})
        if spec["generate"] == "traces":
            record.update(name=f"span-{i}", startTimeUnixNano=str(1700000000000000000 + i), endTimeUnixNano=str(1700000000000001000 + i))
            if spec.get("states"):
                state = spec["states"][i % len(spec["states"])]
                if state:
                    record["traceState"] = state.replace("RANDOM", f"{r.getrandbits(56):014x}")
        else:
            record.update(timeUnixNano=str(1700000000000000000 + i), severityNumber=1 + i % 24, body={"stringValue": f"line {i}"})
        out.append(record)
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "generated"}}]}
    if spec["generate"] == "traces":
        return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": {"name": "g"}, "spans": out}]}]}
    return {"resourceLogs": [{"resource": resource, "scopeLogs": [{"scope": {"name": "g"}, "logRecords": out}]}]}


def inputs_of(case):
    """The requests that a case sends: [(signal, message)]."""
    out = []
    for entry in case.get("input", ["traces", "metrics", "logs"]):
        if isinstance(entry, dict):
            entry = dict(entry)
            signal = entry["generate"]
            message = otlp.from_json(signal, generated(entry))
            times = entry.get("requests", 1)
            if times > 1:  # the same records, cut into so many requests
                whole = generated(entry)
                (top,), (name,) = (whole.values(), whole)
                inner = "scopeSpans" if signal == "traces" else "scopeLogs"
                leaf = "spans" if signal == "traces" else "logRecords"
                records = top[0][inner][0][leaf]
                step = -(-len(records) // times)
                for i in range(0, len(records), step):
                    part = copy.deepcopy(whole)
                    part[name][0][inner][0][leaf] = records[i:i + step]
                    out.append((signal, otlp.from_json(signal, part)))
                continue
            out.append((signal, message))
            continue
        if entry not in INPUTS:
            INPUTS[entry] = json.loads((HERE / "inputs" / f"{entry}.json").read_text())
        signal = entry.split("-")[0]
        out.append((signal, otlp.from_json(signal, INPUTS[entry])))
    return out


# ---------------------------------------------------------------- cases that send telemetry

class Variant:
    """One form of a case, to be run: the case itself, or the case with something switched off."""

    def __init__(self, name, case, off=None):
        self.name, self.off = name, off
        self.case = copy.deepcopy(case)
        for k, v in (off or {}).items():
            if k != "label":
                self.case[k] = copy.deepcopy(v)
        self.label = (off or {}).get("label", "")


def switched_off(case):
    """The forms of a case in which its feature is off, each with a label: those it lists, and those that follow from its form."""
    out = [dict(o) for o in case.get("without", [])]
    if case.get("derive") == "none":
        return out
    if "debug" in case:
        other = {"basic": "normal", "normal": "detailed", "detailed": "normal"}[case["debug"].get("verbosity", "basic")]
        out.append({"label": f"verbosity {other}", "debug": {**case["debug"], "verbosity": other}})
        return out
    if not case.get("without"):
        out.append({"label": "no processor", "processors": {}, "pipeline": []})
    for name, block in case.get("processors", {}).items():
        for key in ("include", "exclude"):
            if isinstance(block, dict) and key in block:
                less = copy.deepcopy(case["processors"])
                del less[name][key]
                out.append({"label": f"{name} without {key}", "processors": less})
    return out


def signals_of(case):
    return list(dict.fromkeys(s for s, _ in inputs_of(case)))


def assemble(variants, folder):
    """One configuration in which every variant has its own receivers, processors and exporters; returns it with the ports."""
    config = {"receivers": {}, "processors": {}, "exporters": {}, "service": {"telemetry": collectors.plain(), "pipelines": {}}}
    ports = {}
    for n, v in enumerate(variants):
        case, port = v.case, free_port()
        ports[v.name] = port
        config["receivers"][f"otlp/{n}"] = {"protocols": {"http": {"endpoint": f"127.0.0.1:{port}", **case.get("receiver", {})}}}
        rename = {}
        for pid, block in case.get("processors", {}).items():
            rename[pid] = pid.split("/")[0] + f"/{n}" + ("-" + pid.split("/")[1] if "/" in pid else "")
            config["processors"][rename[pid]] = block
        chain = [rename[p] for p in case.get("pipeline", list(case.get("processors", {})))]
        for s in signals_of(case):
            if "debug" in case:
                exporter = f"debug/{n}-{s}"
                config["exporters"][exporter] = {"use_internal_logger": False, "output_paths": [str(folder / f"{n}-{s}.txt")], **case["debug"]}
            else:
                exporter = f"file/{n}-{s}"
                config["exporters"][exporter] = {"path": str(folder / f"{n}-{s}.json")}
            config["service"]["pipelines"][f"{s}/{n}"] = {"receivers": [f"otlp/{n}"], "processors": chain, "exporters": [exporter]}
    if not config["processors"]:
        del config["processors"]
    return config, ports


class Outcome:
    """What a collector made of a variant: the answers to its requests and what it wrote, by signal."""

    def __init__(self, statuses, written):
        self.statuses, self.written = statuses, written


def run_variants(name, command, variants, gates):
    """Runs the variants in one process; {variant name: Outcome or the error text}. If the whole does not start, each runs alone."""
    with Scratch() as s:
        config, ports = assemble(variants, s.path)
        arguments = ["--feature-gates", ",".join(gates)] if gates else []
        try:
            child = collectors.start(s, name, command, config, ports.values(), arguments=arguments)
        except AssertionError as e:
            if len(variants) == 1:
                return {variants[0].name: str(e)}
            out = {}
            for v in variants:
                out.update(run_variants(name, command, [v], gates))
            return out
        statuses = {}
        for v in variants:
            answers = []
            for signal, message in inputs_of(v.case):
                try:
                    a = otlp.post(ports[v.name], signal, message, encoding=v.case.get("encoding", "proto"), headers=v.case.get("headers"))
                    answers.append(a.status if a.status == 200 else f"{a.status} {a.body[:200]!r}")
                except OSError as e:
                    answers.append(f"no answer: {e}; {child.tail(300)}")
            statuses[v.name] = answers
        try:
            child.stop()
        except AssertionError as e:
            return {v.name: str(e) for v in variants}
        out = {}
        for n, v in enumerate(variants):
            written = {}
            for signal in signals_of(v.case):
                if "debug" in v.case:
                    p = s.path / f"{n}-{signal}.txt"
                    written[signal] = p.read_text() if p.exists() else ""
                else:
                    try:
                        written[signal] = canon.read_lines(s.path / f"{n}-{signal}.json", signal)
                    except Exception as e:
                        written[signal] = f"not OTLP/JSON: {e}"
            out[v.name] = Outcome(statuses[v.name], written)
        return out


def form(case, outcome):
    """An outcome in the form in which it is compared."""
    if isinstance(outcome, str):
        return outcome
    out = {"answers": outcome.statuses}
    how = case.get("compare", "tree")
    for signal, written in outcome.written.items():
        if isinstance(written, str):
            out[signal] = written.splitlines()
        elif how == "sizes":
            out[signal] = [otlp.items(signal, m) for m in written]
        elif how == "flat":
            out[signal] = canon.flat(signal, written)
        elif how == "points":
            out[signal] = canon.points(signal, written)
        else:
            out[signal] = canon.tree(signal, written)
    return out


OUTCOMES = {}  # (side, variant name) -> Outcome or error text


def outcome_of(side, case_name, variant_name):
    """Runs the whole group of the case on that side when the first of the group is asked for."""
    if (side, variant_name) not in OUTCOMES:
        group = next(g for g in GROUPS if any(n == case_name for n, _ in g))
        # Only what the tests that were asked for need.
        wanted = [(n, c) for n, c in group if any(t in registry.SELECTED for t in (f"differential/{n}",)) or any(
            t.startswith(f"mutated/{n}/") for t in registry.SELECTED)]
        variants = []
        for n, c in wanted:
            variants.append(Variant(n, c))
            if side == "naru":
                variants += [Variant(f"{n}#{i}", c, o) for i, o in enumerate(switched_off(c))]
        gates = group[0][1].get("gates", [])
        command = collectors.NARU if side == "naru" else collectors.REFERENCE
        for k, v in run_variants(side, command, variants, gates).items():
            OUTCOMES[(side, k)] = v
    return OUTCOMES[(side, variant_name)]


def telemetry_case(name, case):
    want = form(case, outcome_of("reference", name, name))
    assert isinstance(want, dict), f"the reference refuses the case: {want}"
    got = form(case, outcome_of("naru", name, name))
    assert isinstance(got, dict), f"refused: {got}"
    d = canon.difference(want, got)
    assert d is None, d
    for i, off in enumerate(switched_off(case)):
        telemetry_mutation(name, case, i, off)


def telemetry_mutation(name, case, i, off):
    want = form(case, outcome_of("reference", name, name))
    got = form(case, outcome_of("naru", name, f"{name}#{i}"))
    assert isinstance(got, dict), f"with {off.get('label', 'the feature off')} it does not run: {got}"
    assert canon.difference(want, got) is not None, f"passes even with {off.get('label', 'the feature off')}: the case shows nothing"


# ---------------------------------------------------------------- cases about configuration

def materialize(case, scratch):
    """Writes the case's files and turns its sources into arguments."""
    for file, text in case.get("files", {}).items():
        (scratch.path / file).write_text(text.replace("DIR", str(scratch.path)))
    arguments = []
    for i, source in enumerate(case.get("sources", [])):
        if "\n" in source:
            p = scratch.path / f"source-{i}.yaml"
            p.write_text(source.replace("DIR", str(scratch.path)))
            source = str(p)
        arguments += ["--config", source.replace("DIR", str(scratch.path))]
    for s in case.get("set", []):
        arguments += ["--set", s]
    if case.get("gates"):
        arguments += ["--feature-gates", ",".join(case["gates"])]
    return arguments


PRINTED = {}


def printed(command, case):
    """What print-config makes of the case: (exit status, parsed document or None, error text). The reference is asked once."""
    if command is collectors.REFERENCE:
        known = canon.key(case)
        if known not in PRINTED:
            PRINTED[known] = print_config(command, case)
        return PRINTED[known]
    return print_config(command, case)


def print_config(command, case):
    with Scratch() as s:
        status, out, err = s.run([*command, "print-config", "--mode", case.get("mode", "unredacted"), *materialize(case, s)], case.get("env"),
                                 seconds=20)
        text = out.replace(str(s.path), "DIR")
        return status, yaml.safe_load(text) if status == 0 else None, (err + out)[-500:]


def bare(value):
    """Without what stands for "not given": null, empty texts, empty lists and maps, blocks that are off; header lists as maps."""
    if isinstance(value, dict):
        if value.get("enabled") is False:
            return None
        out = {k: bare(v) for k, v in value.items()}
        # The reference prints levels with a capital letter, and leaves the lowest verbosity out.
        for k in ("verbosity", "level"):
            if isinstance(out.get(k), str):
                out[k] = "" if (k, out[k].lower()) == ("verbosity", "basic") else out[k].lower()
        return {k: v for k, v in out.items() if v not in (None, "", {}, [])}
    if isinstance(value, list):
        if value and all(isinstance(v, dict) and set(v) == {"name", "value"} for v in value):
            return {v["name"]: v["value"] for v in value}
        return [bare(v) for v in value]
    return value


def at(document, path):
    for word in path.split("::"):
        if not isinstance(document, dict) or word not in document:
            return None
        document = document[word]
    return document


def projected(case, document):
    return {p: bare(at(document, p)) for p in case["paths"]}


def print_off(case):
    """Forms of a configuration case with one of its sources, settings or variables gone."""
    out = [dict(o) for o in case.get("without", [])]
    if case.get("derive") == "none":
        return out
    for i in range(1, len(case.get("sources", []))):
        out.append({"label": f"no source {i}", "sources": case["sources"][:i] + case["sources"][i + 1:]})
    for i, s in enumerate(case.get("set", [])):
        out.append({"label": f"no --set {s}", "set": case["set"][:i] + case["set"][i + 1:]})
    for k in case.get("env", {}):
        out.append({"label": f"no variable {k}", "env": {a: b for a, b in case["env"].items() if a != k}})
    return out


def print_case(name, case):
    status, want, err = printed(collectors.REFERENCE, case)
    assert status == 0, f"the reference refuses the case: {err}"
    status, got, err = printed(collectors.NARU, case)
    assert status == 0, f"refused with {status}: {err}"
    d = canon.difference(projected(case, want), projected(case, got))
    assert d is None, d
    for i, off in enumerate(print_off(case)):
        print_mutation(name, case, i, off)


def print_mutation(name, case, i, off):
    want = printed(collectors.REFERENCE, case)[1]
    status, got, _ = printed(collectors.NARU, Variant(name, case, off).case)
    assert status != 0 or canon.difference(projected(case, want), projected(case, got)) is not None, f"passes even with {off.get('label')}"


def validated(command, case):
    with Scratch() as s:
        status, out, err = s.run([*command, "validate", *materialize(case, s)], case.get("env"), seconds=20)
        return status, (out + err).replace(str(s.path), "DIR")


def refuse_case(name, case):
    want, text = validated(collectors.REFERENCE, case)
    assert want != 0, "the reference accepts the case"
    got, text = validated(collectors.NARU, case)
    assert got == want, f"exit status {got} instead of {want}: {text[-300:]}"
    if not collectors.SELF_TEST:  # the reference's own wording is not the measure
        for word in case.get("says", []):
            assert word in text, f"the error does not say {word!r}: {text[-400:]}"
    refuse_mutation(name, case, 0, {})


def refuse_mutation(name, case, i, off):
    fixed = {**case, **case["fixed"]}
    for who, command in (("the reference", collectors.REFERENCE), ("it", collectors.NARU)):
        status, text = validated(command, fixed)
        assert status == 0, f"{who} refuses the repaired form too: {text[-400:]}"


# ---------------------------------------------------------------- registration

def load():
    cases = []
    for path in sorted((HERE / "cases").rglob("*.yaml")):
        name = str(path.relative_to(HERE / "cases").with_suffix(""))
        cases.append((name, yaml.safe_load(path.read_text())))
    return cases


CASES = load()
GROUPS = []


def register():
    pending = {}
    for name, case in CASES:
        kind = case.get("kind", "records")
        if kind == "records":
            pending.setdefault(tuple(case.get("gates", [])), []).append((name, case))
            body, mutation, offs = telemetry_case, telemetry_mutation, switched_off(case)
        elif kind == "print":
            body, mutation, offs = print_case, print_mutation, print_off(case)
        elif kind == "refuse":
            body, mutation, offs = refuse_case, refuse_mutation, [{"label": "repaired"}]
        else:
            raise ValueError(f"{name}: unknown kind {kind}")
        registry.add(f"differential/{name}", lambda n=name, c=case, b=body: b(n, c), needs=("otelcol-ref",), seconds=120)
        if not offs:
            raise ValueError(f"{name}: nothing switches its feature off")
        for i, off in enumerate(offs):
            registry.add(f"mutated/{name}/{off.get('label', i)}", lambda n=name, c=case, m=mutation, k=i, o=off: m(n, c, k, o),
                         needs=("otelcol-ref",), seconds=120, mutation=True)
    for members in pending.values():
        GROUPS.extend(members[i:i + GROUP] for i in range(0, len(members), GROUP))


register()
