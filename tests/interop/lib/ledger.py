"""naru's own metrics, and the ledger on their page (otelcol_naru_ledger_items)."""
import re
import urllib.request


def rows(port):
    """Everything on the page of a port of 127.0.0.1: (name, labels, value)."""
    page = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10).read().decode()
    return [(m[1], dict(re.findall(r'(\w+)="([^"]*)"', m[2] or "")), float(m[3]))
            for m in re.finditer(r"^(\w+)(\{.*\})? ([-+.eE0-9]+)$", page, re.M)]


def total(rows, name, **labels):
    return sum(v for n, l, v in rows if n == name and all(l.get(k) == x for k, x in labels.items()))


def imbalance(rows):
    """entered + returned = exited or sent + filtered + dropped + refused + held, for every exporter and pipeline; what is left over of each."""
    out = {}
    for n, l, v in rows:
        if n != "otelcol_naru_ledger_items" or l["kind"] not in ("exporter", "pipeline"):
            continue
        key = (l["kind"], l["id"], l["signal"])
        out.setdefault(key, 0)
        out[key] += v if l["entry"] == "entered" else -v
    # A pipeline's inner ends stand under its processors.
    for n, l, v in rows:
        if n == "otelcol_naru_ledger_items" and l["kind"] == "processor" and l["entry"] in ("returned", "filtered", "dropped", "refused", "held"):
            out[("pipeline", l["pipeline"], l["signal"])] -= -v if l["entry"] == "returned" else v
    return {k: v for k, v in out.items() if v}
