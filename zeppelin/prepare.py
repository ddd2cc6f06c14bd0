"""What has Zeppelin be set up on the main node of the cluster for notebooks, whenever its service
starts: nothing is done there by hand.

`deploy/bootstrap.sh` puts this file on the node and runs `install`, which tells systemd the rest.
Before Zeppelin starts, `start` fetches the code of the release that is current, the interpreters,
who may sign in and what each note's rights are; if it fails, Zeppelin does not start, because
without a sign-in it lets in everybody as an admin. Whenever Zeppelin writes the rights, `keep`
brings them to the bucket of the notes.

It stands alone: the environment's packages are there, the platform is not yet.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shlex
import shutil
import sys
from collections.abc import Sequence
from configparser import ConfigParser, MissingSectionHeaderError, ParsingError
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

CONF = "etc/zeppelin/conf"
UNITS = "etc/systemd/system"
CODE = "opt/storeavail/code.zip"
"""Where a notebook's Python finds the platform."""
RIGHTS = "notebook-authorization.json"
SIGN_IN = "shiro.ini"
INTERPRETERS = "interpreter.json"
DROP_IN = """[Unit]
Wants=storeavail-rights.path

[Service]
# as root, before each start; where it fails, Zeppelin does not start
ExecStartPre=+{start}
"""
WATCH = """[Unit]
Description=The rights of notes, whenever Zeppelin writes them

[Path]
PathChanged=/{rights}
"""
KEEP = """[Unit]
Description=The rights of notes, to the bucket of the notes

[Service]
Type=oneshot
ExecStart={keep}
"""
OWNER = "zeppelin"


@dataclass(frozen=True)
class Node:
    """The main node, and where things are kept.

    Attributes:
        code: `s3://.../code.zip` of the country in whose account the cluster is.
        notebooks: `s3://...` of the notes, or None.
        sign_in: the secret that holds shiro.ini, or None where there is one by hand.
        root: the file system.
        owner: whom Zeppelin runs as.
    """

    code: str
    region: str
    notebooks: str | None = None
    sign_in: str | None = None
    root: Path = Path("/")
    owner: str = OWNER

    def install(self) -> None:
        """Tell systemd what to run with Zeppelin's service, which may not be there yet."""
        units = self.root / UNITS
        self._write(
            units / "zeppelin.service.d" / "storeavail.conf",
            DROP_IN.format(start=self._command("start")).encode(),
        )
        rights = WATCH.format(rights=f"{CONF}/{RIGHTS}")
        self._write(units / "storeavail-rights.path", rights.encode())
        self._write(
            units / "storeavail-rights.service", KEEP.format(keep=self._command("keep")).encode()
        )

    def start(self) -> None:
        """Make everything as it has to be when Zeppelin starts.

        Raises:
            SystemExit: something is missing, or is not what was published; with the reason.
        """
        files = self._release()["files"]
        self._write(self.root / CODE, self._published(files["code.zip"]))
        conf = self.root / CONF
        interpreters = self._published(files[f"zeppelin/conf/{INTERPRETERS}"])
        self._write(conf / INTERPRETERS, interpreters, mode=0o600)
        published = json.loads(self._published(files[f"zeppelin/conf/{RIGHTS}"]))
        self._write(conf / RIGHTS, _json(self._rights(published)), mode=0o600)
        self._write(conf / SIGN_IN, self._sign_in().encode(), mode=0o600)

    def keep(self) -> None:
        """Bring the rights of the notes to the bucket.

        Raises:
            SystemExit: the file is none of Zeppelin's; the bucket keeps what it has.
        """
        path = self.root / CONF / RIGHTS
        if self.notebooks is not None:
            bucket, key = _place(f"{self.notebooks}/conf/{RIGHTS}")
            body = _json(_rights_in(str(path), path.read_bytes()))
            self._s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType="application/json")

    def _rights(self, published: dict[str, Any]) -> dict[str, Any]:
        """What was kept, else what is on this node, and of notes that neither knows what the
        release says.
        """
        address, here = f"{self.notebooks}/conf/{RIGHTS}", self.root / CONF / RIGHTS
        kept = None if self.notebooks is None else self._read(address)
        if kept is not None:
            known = _rights_in(address, kept)
        elif here.exists():
            known = _rights_in(str(here), here.read_bytes())
        else:
            known = {"authInfo": {}}
        return {**known, "authInfo": {**published["authInfo"], **known["authInfo"]}}

    def _sign_in(self) -> str:
        path = self.root / CONF / SIGN_IN
        if self.sign_in is not None:
            client = boto3.client("secretsmanager", region_name=self.region)
            text = client.get_secret_value(SecretId=self.sign_in)["SecretString"]
        elif path.exists():
            text = path.read_text(encoding="utf-8")
        else:
            sys.exit(
                "deploy.analytics.sign_in names no secret, and there is no shiro.ini: Zeppelin does"
                " not start, because it would let in everybody as an admin"
            )
        shiro = ConfigParser(interpolation=None, strict=False, delimiters=("=",))
        wrong = ""
        try:
            shiro.read_string(text)
        except MissingSectionHeaderError as error:
            wrong = f"line {error.lineno} stands before any [section]"
        except ParsingError as error:
            wrong = f"line {error.errors[0][0]} has no `=`"
        if wrong:
            # not in the parser's own words, nor after them: they have the line, with its password
            sys.exit(f"{self.sign_in or path} is no shiro.ini: {wrong}")
        if not shiro.has_option("urls", "/**") or "authc" not in shiro["urls"]["/**"]:
            sys.exit(f"{self.sign_in or path}: its [urls] have to end with `/** = authc`")
        return text

    def _release(self) -> dict[str, Any]:
        """The release that is current: its files by their names."""
        history = self._read(f"{self.code}.releases.json")
        commits = json.loads(history)["commits"] if history is not None else []
        if not commits:
            sys.exit(f"no release is published at {self.code}: `storeavail-deploy app publish`")
        found: dict[str, Any] = json.loads(
            self._needed(f"{self._root}/releases/{commits[0]}/release.json")
        )
        return found

    def _published(self, artifact: dict[str, Any]) -> bytes:
        address = f"{self._root}/{artifact['path']}"
        data = self._needed(address)
        found = hashlib.sha256(data).hexdigest()
        if found != artifact["sha256"]:
            sys.exit(
                f"{address} is not what was published: its SHA-256 is {found}, not"
                f" {artifact['sha256']}"
            )
        return data

    def _needed(self, address: str) -> bytes:
        data = self._read(address)
        if data is None:
            sys.exit(f"{address} is not there")
        return data

    def _read(self, address: str) -> bytes | None:
        bucket, key = _place(address)
        try:
            return bytes(self._s3.get_object(Bucket=bucket, Key=key)["Body"].read())
        except self._s3.exceptions.NoSuchKey:
            return None

    def _write(self, path: Path, data: bytes, mode: int = 0o644) -> None:
        """Whole or not at all; Zeppelin's own, if nobody else may read it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = path.with_name(f".{path.name}.new")
        scratch.touch(mode=mode)
        scratch.chmod(mode)
        scratch.write_bytes(data)
        if mode == 0o600:
            shutil.chown(scratch, self.owner)
        scratch.replace(path)

    def _command(self, verb: str) -> str:
        """This program by the environment's Python, as systemd takes a command."""
        options = {
            "--code": self.code,
            "--region": self.region,
            "--notebooks": self.notebooks,
            "--sign-in": self.sign_in,
        }
        arguments = [each for name, value in options.items() if value for each in (name, value)]
        return shlex.join(
            [sys.executable, str(Path(__file__).resolve()), verb, *arguments]
        ).replace("%", "%%")

    @property
    def _s3(self) -> Any:
        return boto3.client("s3", region_name=self.region)

    @property
    def _root(self) -> str:
        return self.code.rpartition("/")[0]


def _place(address: str) -> tuple[str, str]:
    bucket, _, key = address.removeprefix("s3://").partition("/")
    return bucket, key


def _rights_in(where: str, data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data)
        if isinstance(found["authInfo"], dict):
            return dict(found)
    except (ValueError, KeyError, TypeError):
        pass
    sys.exit(f"{where} is no file of notes' rights: bring back its version of before")


def _json(value: Any) -> bytes:
    return f"{json.dumps(value, indent=2)}\n".encode()


def main(arguments: Sequence[str]) -> None:
    """Do what is asked; what AWS refuses ends it with its words."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("verb", choices=("install", "start", "keep"))
    parser.add_argument("--code", required=True)
    parser.add_argument("--region", required=True)
    parser.add_argument("--notebooks")
    parser.add_argument("--sign-in")
    parser.add_argument("--root", type=Path, default=Path("/"))
    parser.add_argument("--owner", default=OWNER)
    options = vars(parser.parse_args(arguments))
    verb = options.pop("verb")
    try:
        getattr(Node(**options), verb)()
    except (ClientError, BotoCoreError) as error:
        sys.exit(f"{verb}: AWS says: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
