"""What the loki exporter has to make of a record, written a second time, from the rules: labels, and the JSON line as a parsed document.
Values are Python's: None, str, bool, int, float, bytes, list, dict."""
import base64
import json
import math
import re

HINTS = ("loki.attribute.labels", "loki.resource.labels", "loki.format", "loki.tenant")
LEVELS = [f"{name}{n if n > 1 else ''}" for name in ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL") for n in range(1, 5)]


def otlp_value(v):
    if v is None:
        return {}
    if isinstance(v, bool):
        return {"boolValue": v}
    if isinstance(v, int):
        return {"intValue": str(v)}
    if isinstance(v, float):
        return {"doubleValue": v if math.isfinite(v) else "NaN" if math.isnan(v) else "Infinity" if v > 0 else "-Infinity"}
    if isinstance(v, bytes):
        return {"bytesValue": base64.b64encode(v).decode()}
    if isinstance(v, list):
        return {"arrayValue": {"values": [otlp_value(e) for e in v]}}
    if isinstance(v, dict):
        return {"kvlistValue": {"values": attributes(v)}}
    return {"stringValue": v}


def attributes(d):
    return [{"key": k, "value": otlp_value(v)} for k, v in d.items()]


def plain(v):
    """As JSON has it."""
    if isinstance(v, float) and not math.isfinite(v):
        return "NaN" if math.isnan(v) else "Infinity" if v > 0 else "-Infinity"
    if isinstance(v, bytes):
        return base64.b64encode(v).decode()
    if isinstance(v, list):
        return [plain(e) for e in v]
    if isinstance(v, dict):
        return {k: plain(e) for k, e in v.items()}
    return v


def number(v):
    """The shortest text, as ECMAScript has it."""
    if v == int(v) and abs(v) < 1e21:
        return str(int(v))
    return re.sub(r"e([+-])0*", r"e\1", repr(v)).replace(".0e", "e")


def text(v):
    """As a label has it; None when it has no form there."""
    if v is None:
        return ""
    if isinstance(v, str):
        return v
    if isinstance(v, bool):
        return "true" if v else "false"
    if isinstance(v, int):
        return str(v)
    if isinstance(v, float):
        return number(v) if math.isfinite(v) else plain(v)
    if isinstance(v, bytes):
        return base64.b64encode(v).decode()
    return nested(v)


def nested(v):
    """A list or map as JSON text; None when it has a number that JSON lacks."""
    if isinstance(v, float) and not math.isfinite(v):
        return None
    if isinstance(v, list):
        parts = [nested(e) for e in v]
        return None if None in parts else f"[{','.join(parts)}]"
    if isinstance(v, dict):
        parts = [(json.dumps(k, ensure_ascii=False), nested(v[k])) for k in sorted(v)]
        return None if None in [p for _, p in parts] else "{" + ",".join(f"{k}:{e}" for k, e in parts) + "}"
    if v is None:
        return "null"
    return text(v) if isinstance(v, (bool, int, float)) else json.dumps(text(v), ensure_ascii=False)


def name(label):
    out = re.sub(r"[^a-zA-Z0-9_]", "_", label)
    if out[:1].isdigit():
        return "key_" + out
    return "key" + out if out.startswith("_") and not out.startswith("__") else out


def promoted(attrs, hint):
    if isinstance(hint, str):
        names = hint.split(",")
    elif isinstance(hint, list):
        names = [text(e) for e in hint]
    else:
        names = [text(hint)]
    out = {}
    for n in names:
        n = n.strip()
        if n in attrs:
            out[n] = text(attrs[n])
        elif n:
            at = attrs
            for part in n.split("."):
                at = at.get(part, KeyError) if isinstance(at, dict) else KeyError
                if at is KeyError:
                    break
            if at is not KeyError:
                out[n] = text(at)
    return {k: v for k, v in out.items() if v is not None}


def translate(resource, record, severity=0, severity_text="", body=None, trace="", span="", flags=0, scope=("", "")):
    """Returns (labels, line as a document whose keys are in order)."""
    resource, record = dict(resource), dict(record)
    if 1 <= severity <= 24:
        hint = record.get("loki.attribute.labels", "")
        if isinstance(hint, str):
            record["loki.attribute.labels"] = f"{hint},level"
        elif isinstance(hint, list):
            record["loki.attribute.labels"] = [*hint, "level"]
        record.setdefault("level", LEVELS[severity - 1])
    labels = {"exporter": "OTLP"}
    if "service.name" in resource:
        labels["job"] = text(resource["service.name"])
        if "service.namespace" in resource:
            labels["job"] = f"{text(resource['service.namespace'])}/{labels['job']}"
    if "service.instance.id" in resource:
        labels["instance"] = text(resource["service.instance.id"])
    for attrs, hints in ((resource, resource.get("loki.resource.labels")), (resource, record.get("loki.resource.labels")),
                         (record, record.get("loki.attribute.labels"))):
        if hints is not None:
            labels.update(promoted(attrs, hints))
    left = [{k: plain(v) for k, v in d.items() if k not in HINTS and k not in labels} for d in (record, resource)]
    line = {}
    if body is not None:
        line["body"] = plain(body)
    for key, value in (("traceid", trace), ("spanid", span), ("severity", severity_text), ("flags", flags), ("attributes", left[0]),
                       ("resources", left[1])):
        if value:
            line[key] = value
    if scope[0]:
        line["instrumentation_scope"] = {"name": scope[0], **({"version": scope[1]} if scope[1] else {})}
    return {name(k): v for k, v in labels.items() if v}, line
