"""A real nginx (Debian's package) with the configuration that the repository ships, before servers
that say yes to everything: the webserver for operators, and the one for those who look.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from storeavail_testing.http_server import QuietHandler, http_server
from storeavail_testing.processes import REPOSITORY, Server, free_port, give_away, is_listening
from storeavail_testing.tls import certificate

SETTINGS = """\
pid {folder}/nginx.pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/site.conf;
}}
"""
SHIPPED = REPOSITORY / "deploy" / "nginx.conf"
USER, PASSWORD = "ana", "a-password"


class Agreeing(QuietHandler):
    """Says that it was asked."""

    status = 204

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_PUT = do_HEAD = do_OPTIONS = do_GET


class ReadOnly(Agreeing):
    """The same, of the webserver for those who look."""

    status = 202


@contextlib.contextmanager
def nginx_running(
    folder: Path, hosts: list[str], readers: Mapping[str, str] | None = None, pages: int = 1
) -> Iterator[int]:
    """The TLS port of a proxy with one operator.

    Args:
        hosts: the names under which it is reached.
        readers: whose pages each reader sees, by name; none: there is no such file.
        pages: the port of the pages' server.
    """
    with http_server(Agreeing) as behind, http_server(ReadOnly) as viewers:
        port = free_port()
        public, private = certificate(folder, hosts[0])
        (folder / "operators.map").write_text(f"{USER} 127.0.0.1:{behind.server_port};\n")
        (folder / "hosts.map").write_text("".join(f'"{host}" 1;\n' for host in hosts))
        if readers is not None:
            lines = "".join(f'{name} "{places}";\n' for name, places in readers.items() if places)
            (folder / "readers.map").write_text(lines)
        names = [USER, *(readers or {})]
        passwords = "".join(f"{name}:{{PLAIN}}{PASSWORD}\n" for name in names)
        (folder / "users.htpasswd").write_text(passwords)
        text = SHIPPED.read_text()
        for shipped, here in {
            "/etc/nginx/secrets/tls.crt": str(public),
            "/etc/nginx/secrets/tls.key": str(private),
            "/etc/nginx/secrets": str(folder),
            "listen 8443": f"listen 127.0.0.1:{port}",
            "viewers:3000;\n": f"127.0.0.1:{viewers.server_port};\n",
            "pages:8080": f"127.0.0.1:{pages}",
        }.items():
            assert shipped in text
            text = text.replace(shipped, here)
        (folder / "site.conf").write_text(text)
        (folder / "nginx.conf").write_text(SETTINGS.format(folder=folder))
        give_away(folder)
        program = shutil.which("nginx") or "/usr/sbin/nginx"
        command: list[str | Path] = [
            program,
            "-c",
            folder / "nginx.conf",
            "-p",
            folder,
            "-g",
            "daemon off;",
        ]
        server = Server(command, log=folder / "nginx.log", env={}, cwd=folder)
        server.start(lambda: is_listening(port))
        try:
            yield port
        finally:
            server.kill()
