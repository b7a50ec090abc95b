"""The yardstick: nginx as stub upstream and as proxy, stub and proxy sharing one worker process."""

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs

ANSWER = (
    '{"id":"chatcmpl-1","object":"chat.completion","created":1767225600,"model":"stub","choices":[{"index":0,'
    '"message":{"role":"assistant","content":"Hello there, how can I help you today?"},"finish_reason":"stop"}],'
    '"usage":{"prompt_tokens":9,"completion_tokens":9,"total_tokens":18}}'
)

_CONFIGURATION = """
worker_processes 1;
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    keepalive_requests 100000000;
    client_body_temp_path {folder};
    proxy_temp_path {folder};
    fastcgi_temp_path {folder};
    uwsgi_temp_path {folder};
    scgi_temp_path {folder};
    upstream stub {{
        least_conn;
        {servers}
        keepalive 128;
        keepalive_requests 100000000;
    }}
    server {{
        {listens}
        location / {{ default_type application/json; return 200 '{answer}'; }}
    }}
    server {{
        listen 127.0.0.1:{proxy} backlog=1024;
        location / {{
            proxy_pass http://stub;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
        }}
    }}
}}
"""


@attrs.frozen
class Nginx:
    stubs: tuple[int, ...]
    "Ports that answer at once."
    proxy: int
    "Port that proxies to them."


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [taken.getsockname()[1] for taken in sockets]
    for taken in sockets:
        taken.close()
    return ports


def need(program: str, package: str) -> str:
    """A program's path; the bench ends with a sentence where it is missing."""
    found = shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")
    if found is None:
        sys.exit(f"The bench needs {program}; install it with: apt-get install {package}")
    return found


def until_open(port: int, process: "subprocess.Popen[bytes]", name: str) -> None:
    """Return once a port accepts connections."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    sys.exit(f"{name} does not listen on port {port}")


@contextmanager
def nginx(folder: Path) -> Iterator[Nginx]:
    """Run nginx in a folder until the block ends."""
    *stubs, proxy = free_ports(4)
    text = _CONFIGURATION.format(
        folder=folder,
        servers=" ".join(f"server 127.0.0.1:{port};" for port in stubs),
        listens=" ".join(f"listen 127.0.0.1:{port} backlog=1024;" for port in stubs),
        answer=ANSWER,
        proxy=proxy,
    )
    (folder / "nginx.conf").write_text(text)
    process = subprocess.Popen(
        [need("nginx", "nginx-light"), "-p", str(folder), "-c", str(folder / "nginx.conf")], stderr=subprocess.DEVNULL
    )
    try:
        until_open(proxy, process, "nginx")
        yield Nginx(tuple(stubs), proxy)
    finally:
        process.terminate()
        process.wait()
