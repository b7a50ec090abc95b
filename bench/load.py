"""Load by wrk: one POST chat completion, again and again, and what came of it."""

import json
import re
import subprocess
from pathlib import Path

import attrs
from nginx import need

KEY = "sk-bench"
BODY = '{"model":"chat","messages":[{"role":"user","content":"Hello"}]}'
_UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3}


@attrs.frozen
class Figures:
    requests: int
    "In the time of the load."
    requests_per_s: float
    p50_ms: float
    p99_ms: float
    failures: int
    "Answers other than 2xx or 3xx, and socket errors."


def script(folder: Path) -> Path:
    """The request, as wrk reads it."""
    path = folder / "chat.lua"
    path.write_text(
        'wrk.method = "POST"\n'
        f"wrk.body = {json.dumps(BODY)}\n"
        'wrk.headers["Content-Type"] = "application/json"\n'
        f'wrk.headers["Authorization"] = "Bearer {KEY}"\n'
    )
    return path


def run(port: int, *, connections: int, seconds: int, chat: Path) -> Figures:
    """Load a port on loopback for so many seconds."""
    command = [need("wrk", "wrk"), "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", str(chat)]
    url = f"http://127.0.0.1:{port}/v1/chat/completions"
    text = subprocess.run([*command, url], check=True, capture_output=True, text=True).stdout
    failed = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    requests = re.search(r"(\d+) requests in", text)
    if rate is None or requests is None:
        raise ValueError(f"wrk said nothing usable: {text}")
    return Figures(
        requests=int(requests[1]),
        requests_per_s=float(rate[1]),
        p50_ms=_percentile(text, "50"),
        p99_ms=_percentile(text, "99"),
        failures=(int(failed[1]) if failed else 0) + (sum(map(int, errors.groups())) if errors else 0),
    )


def _percentile(text: str, which: str) -> float:
    found = re.search(rf"^\s+{which}%\s+([\d.]+)(us|ms|s)\s*$", text, re.MULTILINE)
    if found is None:
        raise ValueError(f"wrk gave no {which}th percentile: {text}")
    return float(found[1]) * _UNITS[found[2]]
