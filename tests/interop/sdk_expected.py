"""What the programs in tests/peers/sdk-* send, field by field, in the canonical form of lib/canon.py, and how it differs between the SDKs.

Identifiers are those that the program printed. Times that the SDK reads off the clock, versions and random instance ids are checked for
being there and replaced by "*".
"""
import canon

T0 = 1700000000123456789
MS = 1000000
LANGUAGE = {"python": "python", "node": "nodejs", "java": "java", "go": "go"}


def value(v):
    if isinstance(v, bool):
        return {"bool_value": v}
    if isinstance(v, int):
        return {"int_value": v}
    if isinstance(v, float):
        return {"double_value": repr(v)}
    if isinstance(v, str):
        return {"string_value": v}
    if isinstance(v, bytes):
        return {"bytes_value": v.hex()}
    if isinstance(v, list):
        return {"array_value": {"values": [value(e) for e in v]}}
    return {"kvlist_value": {"values": attributes(v)}}


def attributes(pairs):
    return {k: [value(pairs[k])] for k in sorted(pairs)}


def rich(language):
    """The attributes of the root span and of the first log record. Numbers of Node are doubles: 2^53 - 1 is their last safe whole one,
    and a larger one would go out as an integer, even as `1e+300` in JSON (edges/json tests what is made of that)."""
    return attributes({"a.string": 'héllo "✓" \U0001F600', "a.empty": "", "a.int": 9007199254740991 if language == "node" else 9007199254740993,
                       "a.negative": -42, "a.double": 0.1, "a.huge": 1e-300 if language == "node" else 1e300, "a.true": True, "a.false": False, "a.strings": ["x", "", "z"],
                       "a.ints": [1, -2, 3], "a.doubles": [0.5, -1.5], "a.bools": [True, False]})


def resource(language):
    r = attributes({"service.name": f"naru-interop-{language}", "r.string": "é ✓", "r.int": 7, "r.bool": True, "r.double": 0.5,
                    "r.strings": ["a", "b"], "telemetry.sdk.language": LANGUAGE[language], "telemetry.sdk.name": "opentelemetry"})
    return {**r, "telemetry.sdk.version": "*"}


def spans(language, drawn):
    # Node's clock conversions are whole milliseconds here; the last figures of T0 are dropped in its program.
    t0 = T0 - (456789 if language == "node" else 0)
    sampled = 0 if language == "python" else 1  # Python leaves the sampled bit of the flags out
    drawn_at_random = 2 if language == "java" else 0  # Java alone says that its trace ids are random
    link = {"trace_id": "0af7651916cd43dd8448eb211c80319c", "span_id": "b7ad6b7169203331", "attributes": attributes({"l.key": "l.value"}),
            "flags": 0x300 + sampled}
    if language in ("node", "java"):  # the other two drop the link's tracestate before encoding
        link["trace_state"] = "k=v"
    child_end, root_end = (800, 850) if language == "node" else (900, 1500)
    child = {"trace_id": drawn["trace"], "span_id": drawn["child"], "parent_span_id": drawn["root"], "name": "child", "kind": 3,
             "start_time_unix_nano": t0 + MS, "end_time_unix_nano": (t0 if language == "node" else T0) + child_end * MS, "status": {"code": 1},
             "flags": 0x100 + sampled + drawn_at_random}
    root = {"trace_id": drawn["trace"], "span_id": drawn["root"], "name": "root", "kind": 2, "start_time_unix_nano": t0,
            "end_time_unix_nano": t0 + root_end * MS, "attributes": rich(language), "links": [link], "status": {"message": "boom", "code": 2},
            "events": [{"time_unix_nano": t0 + 5 * MS, "name": "first", "attributes": attributes({"e.int": 1, "e.key": "e.value"})},
                       {"time_unix_nano": t0 + 6 * MS, "name": "second"}], "flags": 0x100 + sampled + drawn_at_random}
    return [child, root]


def logs(language, drawn):
    t0 = T0 - (456789 if language == "node" else 0)
    inside = {"time_unix_nano": t0, "observed_time_unix_nano": t0 + MS, "severity_number": 17, "severity_text": "ERROR",
              "body": value("it broke: ✗"), "attributes": rich(language), "trace_id": drawn["trace"], "span_id": drawn["root"],
              "flags": 3 if language in ("python", "java") else 1, "event_name": "naru.event"}
    outside = {"time_unix_nano": t0 + 2 * MS, "observed_time_unix_nano": t0 + 3 * MS, "severity_number": 6, "severity_text": "fine",
               "body": value({"map": {"inner": [1, "two", False]}, "n": 1.5})}
    if language in ("go", "java"):
        outside["attributes"] = attributes({"l.bytes": b"\x00\x01\xfe\xff"})
    return [inside, outside]


def metrics(language, drawn):
    kv = attributes({"k": "v"})

    def exemplar(v):
        return {"time_unix_nano": "*", "trace_id": drawn["trace"], "span_id": drawn["root"], **v}

    def number(v):
        return {"as_int": v} if isinstance(v, int) else {"as_double": repr(v)}

    def point(v, exemplars=()):
        p = {"attributes": kv, "start_time_unix_nano": "*", "time_unix_nano": "*", **v}
        if exemplars and language != "node":  # Node's SDK records no exemplars
            p["exemplars"] = [exemplar(number(e)) for e in exemplars]
        return p

    # One exemplar a bucket; 1 and 5 fall into the same one, see star(). Python keeps whole numbers whole.
    kept = (5, 25, 1000) if language == "python" else (5.0, 25.0, 1000.0)
    counter = {"name": "m.counter", "description": "a counter", "unit": "1",
               "sum": {"data_points": [point({"as_int": 42}, (42,))], "aggregation_temporality": 2, "is_monotonic": True}}
    updown = {"name": "m.updown", "unit": "By", "sum": {"data_points": [point({"as_double": "-1.5"})], "aggregation_temporality": 2}}
    histogram = {"name": "m.histogram", "unit": "ms", "histogram": {"data_points": [point(
        {"count": 4, "sum": "1031.0", "bucket_counts": [0, 2, 0, 1, 1], "explicit_bounds": ["0.0", "5.0", "10.0", "25.0"], "min": "1.0",
         "max": "1000.0"}, kept)], "aggregation_temporality": 2}}
    ladder = [1 if i % 32 == 0 else 0 for i in range(97)] + [0] * (63 if language == "python" else 0)  # Python sends all its 160 buckets
    exponential = {"name": "m.exponential", "unit": "s", "exponential_histogram": {"data_points": [point(
        {"count": 4, "sum": "15.0", "scale": 5, "positive": {"offset": -1, "bucket_counts": ladder}, "min": "1.0", "max": "8.0",
         **({"negative": {"bucket_counts": [0]}} if language == "python" else {})})], "aggregation_temporality": 2}}
    gauge = {"name": "m.gauge", "unit": "Cel", "gauge": {"data_points": [point({"as_double": "3.25"})]}}
    if language == "python":
        del gauge["gauge"]["data_points"][0]["start_time_unix_nano"]
    return [counter, updown, histogram, exponential, gauge]


SCOPE = {"traces": {"name": "scope.traces", "version": "1.2.3"}, "metrics": {"name": "scope.metrics", "version": "4.5.6"},
         "logs": {"name": "scope.logs", "version": "7.8.9"}}
SCHEMA = {"traces": "https://opentelemetry.io/schemas/1.30.0", "metrics": "", "logs": ""}


def star(record):
    """Replaces what comes from the clock by "*", after checking that it is a time of this year or later and in order."""
    for kind in ("gauge", "sum", "histogram", "exponential_histogram"):
        for p in record.get(kind, {}).get("data_points", []):
            begin, now = p.get("start_time_unix_nano"), p.get("time_unix_nano", 0)
            if now < T0 or (begin is not None and not T0 <= begin <= now):
                raise AssertionError(f"times of a point of {record['name']}: {begin} {now}")
            for name in ("start_time_unix_nano", "time_unix_nano"):
                if name in p:
                    p[name] = "*"
            for e in p.get("exemplars", []):
                if e.get("time_unix_nano", 0) < T0:
                    raise AssertionError(f"time of an exemplar of {record['name']}")
                e["time_unix_nano"] = "*"
                # Which of the two values of one bucket is kept is drawn at random by some.
                if kind == "histogram":
                    e.update({k: 5 if isinstance(v, int) else "5.0" for k, v in e.items() if k in ("as_int", "as_double") and float(v) == 1})
            p.get("exemplars", []).sort(key=lambda e: float(e.get("as_double", e.get("as_int", 0))))


def check(language, protocol, drawn, arrived):
    """Compares what arrived with what was sent; returns a list of differences, in words."""
    problems = []
    wanted = {"traces": spans(language, drawn), "logs": logs(language, drawn), "metrics": metrics(language, drawn)}
    for signal, records in wanted.items():
        rows = [r for r in canon.flat(signal, arrived[signal]) if r["scope"].get("name") == SCOPE[signal]["name"]]
        scope = dict(SCOPE[signal])
        if signal == "traces" and language in ("python", "go"):  # the other two have no way to give a scope attributes
            scope["attributes"] = attributes({"s.key": "s.value"})
        names = lambda r: r.get("name") or r.get("event_name") or r.get("severity_text")  # noqa: E731
        for want in records:
            found = [r for r in rows if names(r["record"]) == names(want)]
            # Shutting a metric reader down collects once more: the same series twice is right, with exemplars only the first time.
            if signal == "metrics":
                found = sorted(found, key=lambda r: '"exemplars"' not in canon.key(r))[:1]
            if len(found) != 1:
                problems.append(f"{signal}: {len(found)} records called {names(want)}")
                continue
            row = found[0]
            try:
                star(row["record"])
                if "telemetry.sdk.version" in row["resource"].get("attributes", {}):
                    row["resource"]["attributes"]["telemetry.sdk.version"] = "*"
                row["resource"].get("attributes", {}).pop("service.instance.id", None)
                for part, a, b in (("record", want, row["record"]), ("scope", scope, row["scope"]),
                                   ("scope schema", SCHEMA[signal], row["scope_schema"]),
                                   ("resource", resource(language), row["resource"].get("attributes", {}))):
                    d = canon.difference(a, b)
                    if d:
                        problems.append(f"{signal} {names(want)}, {part}: {d}")
            except AssertionError as e:
                problems.append(f"{signal}: {e}")
    return problems
