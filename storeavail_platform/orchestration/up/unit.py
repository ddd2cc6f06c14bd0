"""The systemd unit that runs `storeavail up` for good: from the start of the machine, again after a
crash.
"""

from __future__ import annotations

import getpass
import shlex
from pathlib import Path

from storeavail_platform.config import Platform

UNIT = """\
# storeavail up --config {config} --print-unit | sudo tee /etc/systemd/system/storeavail.service
# sudo systemctl daemon-reload && sudo systemctl enable --now storeavail
[Unit]
Description=storeavail: availability of stores
Documentation=https://storeavail.example.com/docs
Wants=network-online.target
After=network-online.target

[Service]
User={user}
WorkingDirectory={folder}
{environment}ExecStart={command}
# children end by themselves when this one is told to, or is killed
KillMode=mixed
TimeoutStopSec=60
Restart=always
RestartSec=10
NoNewPrivileges=true
PrivateTmp=false

[Install]
WantedBy=multi-user.target
"""
SECRETS = """\
# lines NAME=value, readable by root alone: {names}
EnvironmentFile={path}
"""


def unit(platform: Platform, program: Path, port: int) -> str:
    """The unit's text.

    Args:
        program: the `storeavail` command.
    """
    config = Path(platform.origin)
    command = [str(program), "up", "--config", platform.origin, "--port", str(port)]
    names = sorted(platform.secret_variables())
    secrets = SECRETS.format(names=", ".join(names), path="/etc/storeavail.env") if names else ""
    return UNIT.format(
        config=shlex.quote(platform.origin),
        user=getpass.getuser(),
        folder=config.parent if config.is_absolute() else Path.cwd(),
        environment=secrets,
        command=" ".join(word.replace("%", "%%") for word in map(_quoted, command)),
    )


def _quoted(word: str) -> str:
    """As systemd reads a word."""
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"' if " " in word else word
