"""A real Zeppelin 0.10.0, whose notes are of the format of 0.11.1, with the interpreters `%md` and
`%python`, and `%spark.sql` where it is asked for (`zeppelin_spark.py`).

Its web pages are not there either: what is tested is its REST interface, its sign-in and its
interpreter processes.
"""

from __future__ import annotations

import fcntl
import json
import shutil
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from typing import Any

from storeavail_testing.processes import CACHE, Server, free_port
from storeavail_testing.spark_jars import PYSPARK_JARS
from storeavail_testing.zeppelin_spark import add_spark

VERSION = "0.10.0"
PYTHON_VERSION = "0.10.1"
"""zeppelin-python 0.10.0 is not in Maven Central."""
POM = """<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>tests</groupId><artifactId>zeppelin</artifactId><version>1</version><dependencies>{dependencies}</dependencies></project>"""
SERVER_JARS = ("zeppelin-server", "zeppelin-markdown", "zeppelin-interpreter", "zeppelin-zengine")
PYTHON_JARS = (
    "zeppelin-python",
    "zeppelin-jupyter-interpreter",
    "zeppelin-jupyter-interpreter-shaded",
)
OPENED = ("lang", "util", "io", "nio", "text", "net")
"""Packages that this Zeppelin looks into and Java 17 keeps closed."""
INTERPRETER = """#!/bin/bash
while getopts "hc:p:r:d:l:v:u:g:i:" option; do
  case $option in d) folder=$OPTARG;; c) host=$OPTARG;; p) port=$OPTARG;; r) range=$OPTARG;; i) group=$OPTARG;; *) ;; esac
done
options=-Xmx256m
path=$ZEPPELIN_LIB/*
if [ -f "$folder/options" ]; then options=$(cat "$folder/options"); path=$(cat "$folder/path"); fi
exec java $options -XX:TieredStopAtLevel=1 "-Djava.io.tmpdir=$ZEPPELIN_HOME/tmp" -cp "$path:$folder/*" org.apache.zeppelin.interpreter.remote.RemoteInterpreterServer \\
  "$host" "$port" "$group" "$range" >> "$ZEPPELIN_HOME/logs/$group.log" 2>&1
"""
SITECUSTOMIZE = """import collections, collections.abc
for name in ("MutableMapping", "Mapping", "Sequence", "MutableSequence", "MutableSet", "Set", "Iterable", "Callable"):
    setattr(collections, name, getattr(collections.abc, name))
"""
"""The py4j that comes with this Zeppelin is older than Python 3.10."""


class ZeppelinServer:
    """Starts in a folder of its own.

    Args:
        shiro: who may sign in, and what they may.
        interpreters: settings of `interpreter.json`, by id.
        environment: what notes' processes find in their environment.
    """

    def __init__(
        self,
        folder: Path,
        *,
        shiro: str,
        site: Mapping[str, str],
        interpreters: Mapping[str, Any],
        environment: Mapping[str, str],
    ) -> None:
        self.port = free_port()
        self.folder = folder
        library = _library()
        for name in (
            "conf",
            "notebook",
            "bin",
            "logs",
            "run",
            "tmp",
            "local-repo",
            "webapp/WEB-INF",
            "site",
            "interpreter/md",
            "interpreter/python",
        ):
            (folder / name).mkdir(parents=True)
        shutil.copy(next(library.glob("zeppelin-markdown-*.jar")), folder / "interpreter/md")
        for jar in (library / "python").glob("*.jar"):
            shutil.copy(jar, folder / "interpreter/python")
        if "spark" in interpreters:
            add_spark(folder / "interpreter/spark", library / "python", interpreters["spark"])
        (folder / "webapp/WEB-INF/web.xml").write_text("<web-app/>")
        (folder / "site/sitecustomize.py").write_text(SITECUSTOMIZE)
        (folder / "conf/shiro.ini").write_text(shiro)
        values = {
            **site,
            "zeppelin.war": str(folder / "webapp"),
            "zeppelin.angular.war": str(folder / "webapp"),
        }
        properties = "".join(
            f"<property><name>{name}</name><value>{value}</value></property>"
            for name, value in values.items()
        )
        (folder / "conf/zeppelin-site.xml").write_text(
            f'<?xml version="1.0"?><configuration>{properties}</configuration>'
        )
        (folder / "conf/interpreter.json").write_text(
            json.dumps({"interpreterSettings": interpreters, "interpreterRepositories": []})
        )
        script = folder / "bin/interpreter.sh"
        script.write_text(INTERPRETER)
        script.chmod(0o755)
        opens = [
            word
            for package in OPENED
            for word in ("--add-opens", f"java.base/java.{package}=ALL-UNNAMED")
        ]
        # its index of the notes lies in the folder for temporary files, and lets one server in
        command = [
            "java",
            "-Xmx512m",
            *opens,
            f"-Djava.io.tmpdir={folder / 'tmp'}",
            f"-Dzeppelin.home={folder}",
            "-cp",
            f"{folder}/conf:{library}/*",
        ]
        self.server = Server(
            [*command, "org.apache.zeppelin.server.ZeppelinServer"],
            log=folder / "logs/server.log",
            env={
                **environment,
                "ZEPPELIN_HOME": str(folder),
                "ZEPPELIN_LIB": str(library),
                "ZEPPELIN_ADDR": "127.0.0.1",
                "ZEPPELIN_PORT": str(self.port),
                "ZEPPELIN_IDENT_STRING": "tests",
                "SPARK_HOME": str(PYSPARK_JARS.parent),
                # what interpreters call back at
                "ZEPPELIN_LOCAL_IP": "127.0.0.1",
                "PYTHONPATH": str(folder / "site"),
            },
            cwd=folder,
            as_root=True,
        )

    def start(self) -> None:
        self.server.start(lambda: Visitor(self.port).status("GET", "/api/version") == 200)

    def kill(self) -> None:
        self.server.kill()


class Visitor:
    """Whoever asks the server, signed in or not."""

    def __init__(self, port: int) -> None:
        self.address = f"http://127.0.0.1:{port}"
        # a secure cookie, to this machine: what browsers do
        jar = CookieJar(DefaultCookiePolicy(secure_protocols=("http", "https")))
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar), _Stay())

    def sign_in(self, name: str, password: str) -> Visitor:
        form = urllib.parse.urlencode({"userName": name, "password": password}).encode()
        with self.opener.open(f"{self.address}/api/login", form, timeout=30):
            return self

    def status(self, method: str, path: str, body: Any = None) -> int:
        """The HTTP status of an answer; 0 where there is none."""
        try:
            with self.opener.open(self._request(method, path, body), timeout=30) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The body of an answer."""
        with self.opener.open(self._request(method, path, body), timeout=300) as answer:
            return json.loads(answer.read()).get("body")

    def _request(self, method: str, path: str, body: Any) -> urllib.request.Request:
        data = None if body is None else json.dumps(body).encode()
        return urllib.request.Request(
            self.address + path, data, {"Content-Type": "application/json"}, method=method
        )


class _Stay(urllib.request.HTTPRedirectHandler):
    """A redirect to the sign-in is the answer."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


def _library() -> Path:
    """The jars, from Maven Central into the cache folder."""
    target = CACHE / f"zeppelin-{VERSION}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "maven.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            scratch = CACHE / f"zeppelin-{VERSION}.new"
            shutil.rmtree(scratch, ignore_errors=True)
            _copy(
                scratch,
                [
                    _dependency(name, VERSION, without="zeppelin-interpreter-shaded")
                    for name in SERVER_JARS
                ],
            )
            python = [_dependency(name, PYTHON_VERSION, without="*") for name in PYTHON_JARS]
            _copy(
                scratch / "python",
                [*python, _dependency("py4j", "0.10.7", group="net.sf.py4j", without="*")],
            )
            scratch.replace(target)
    return target


def _dependency(
    artifact: str, version: str, *, group: str = "org.apache.zeppelin", without: str
) -> str:
    """A dependency without one of its own; the shaded interpreter is not in Maven Central, the
    plain one is.
    """
    excluded = f"<exclusion><groupId>{'*' if without == '*' else 'org.apache.zeppelin'}</groupId><artifactId>{without}</artifactId></exclusion>"
    return (
        f"<dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId><version>{version}</version>"
        f"<exclusions>{excluded}</exclusions></dependency>"
    )


def _copy(folder: Path, dependencies: list[str]) -> None:
    folder.mkdir(parents=True)
    (folder / "pom.xml").write_text(POM.format(dependencies="".join(dependencies)))
    command = [
        "mvn",
        "-q",
        "-B",
        "dependency:copy-dependencies",
        f"-DoutputDirectory={folder}",
        "-DincludeScope=runtime",
    ]
    subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL)


def python_setting(setting: Mapping[str, Any]) -> dict[str, Any]:
    """An interpreter setting with the tests' own Python."""
    properties = {
        **setting["properties"],
        "zeppelin.python": {**setting["properties"]["zeppelin.python"], "value": sys.executable},
    }
    return {**setting, "properties": properties}
