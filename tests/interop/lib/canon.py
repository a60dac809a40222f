"""Telemetry in a form in which two collectors' outputs can be compared: defaults left out, attributes as sets, groups in a fixed order."""
import json
import struct

from google.protobuf.descriptor import FieldDescriptor

from otlp import LIST, from_json, items


def _scalar(field, value):
    if field.type == FieldDescriptor.TYPE_BYTES:
        return value.hex()
    if field.type in (FieldDescriptor.TYPE_DOUBLE, FieldDescriptor.TYPE_FLOAT):
        # By bits, so that NaN equals itself and -0 differs from 0.
        return repr(value) if value == value else "nan:" + struct.pack(">d", value).hex()
    if field.type == FieldDescriptor.TYPE_STRING:
        return value
    return value


def canonical(message):
    """A protobuf message as plain values. Key-value lists become dictionaries; a repeated key keeps its values in order."""
    out = {}
    for field, value in message.ListFields():
        repeated = field.is_repeated if isinstance(getattr(field, "is_repeated", None), bool) else field.label == FieldDescriptor.LABEL_REPEATED
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            if not repeated:
                # An empty message means the same as none, except as a member of a oneof, where it is a choice.
                inner = canonical(value)
                if inner or field.containing_oneof is not None:
                    out[field.name] = inner
            elif field.message_type.name == "KeyValue":
                pairs = {}
                for kv in value:
                    pairs.setdefault(kv.key, []).append(canonical(kv.value) if kv.HasField("value") else {})
                out[field.name] = {k: pairs[k] for k in sorted(pairs)}
            else:
                out[field.name] = [canonical(v) for v in value]
        elif repeated:
            out[field.name] = [_scalar(field, v) for v in value]
        else:
            out[field.name] = _scalar(field, value)
    # A member of a oneof that is set to its default is not "unset": an empty string value differs from no value.
    for oneof in message.DESCRIPTOR.oneofs:
        which = message.WhichOneof(oneof.name)
        if which and which not in out:
            field = message.DESCRIPTOR.fields_by_name[which]
            value = getattr(message, which)
            out[which] = canonical(value) if field.type == FieldDescriptor.TYPE_MESSAGE else _scalar(field, value)
    return out


def key(value):
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


SCOPES = {"traces": "scope_spans", "metrics": "scope_metrics", "logs": "scope_logs", "profiles": "scope_profiles"}
RECORDS = {"traces": "spans", "metrics": "metrics", "logs": "log_records", "profiles": "profiles"}


def tree(signal, messages):
    """Several requests as one list of resource groups: the groups in a fixed order, the records inside them in the order they have."""
    groups = [canonical(r) for m in messages for r in getattr(m, LIST[signal])]
    return sorted(groups, key=key)


def flat(signal, messages):
    """Several requests as a list of records, each with its resource and scope: for outputs that may be grouped differently."""
    rows = []
    for m in messages:
        for r in getattr(m, LIST[signal]):
            g = canonical(r)
            for s in g.get(SCOPES[signal], []):
                for record in s.get(RECORDS[signal], []):
                    rows.append({"resource": g.get("resource", {}), "resource_schema": g.get("schema_url", ""), "scope": s.get("scope", {}),
                                 "scope_schema": s.get("schema_url", ""), "record": record})
    return sorted(rows, key=key)


def points(signal, messages):
    """Like `flat`, with every data point of a metric in a row of its own: batching may cut inside a metric."""
    if signal != "metrics":
        return flat(signal, messages)
    rows = []
    for row in flat(signal, messages):
        kind = next((k for k in ("gauge", "sum", "histogram", "exponential_histogram", "summary") if k in row["record"]), None)
        data = row["record"].get(kind, {}).get("data_points", []) if kind else [{}]
        for p in data:
            rows.append({**row, "record": {**row["record"], kind: {**row["record"].get(kind, {}), "data_points": [p]}}})
    return sorted(rows, key=key)


def read_lines(path, signal, growing=False):
    """The requests that a file exporter wrote as JSON, one a line; a file that is not there holds none.
    With `growing`, a last line that is not finished yet is left for later."""
    if not path.exists():
        return []
    text = path.read_text()
    if growing:
        text = text[:text.rfind("\n") + 1]
    return [from_json(signal, line) for line in text.splitlines() if line.strip()]


def count(signal, messages):
    return sum(items(signal, m) for m in messages)


def difference(want, got, path=""):
    """Where two canonical values differ first, in words; None if nowhere."""
    if type(want) is not type(got):
        return f"at {path or '/'}: {_short(got)} instead of {_short(want)}"
    if isinstance(want, dict):
        for k in sorted(set(want) | set(got)):
            if k not in got:
                return f"at {path}/{k}: missing, should be {_short(want[k])}"
            if k not in want:
                return f"at {path}/{k}: {_short(got[k])} is too much"
            d = difference(want[k], got[k], f"{path}/{k}")
            if d:
                return d
        return None
    if isinstance(want, list):
        for i, (w, g) in enumerate(zip(want, got)):
            d = difference(w, g, f"{path}[{i}]")
            if d:
                return d + (f" (and {len(got)} entries instead of {len(want)})" if len(want) != len(got) else "")
        if len(want) != len(got):
            return f"at {path or '/'}: {len(got)} entries instead of {len(want)}"
        return None
    return None if want == got else f"at {path or '/'}: {_short(got)} instead of {_short(want)}"


def _short(value):
    text = key(value)
    return text if len(text) <= 160 else text[:157] + "..."
