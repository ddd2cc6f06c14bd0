"""Where the configuration and Dagster's home lie: by argument, environment or default."""

from __future__ import annotations

import os
from pathlib import Path

from storeavail_platform.config.platform import Platform, load_text
from storeavail_platform.domain.addresses import S3
from storeavail_platform.domain.errors import ConfigError

CONFIG_VARIABLE = "STOREAVAIL_CONFIG"
DEMO_HOME_VARIABLE = "STOREAVAIL_DEMO_HOME"
DEMO_HOME = Path(".storeavail") / "demo"
CONFIG_NAME = "storeavail.yaml"
DAGSTER_HOME_VARIABLE = "DAGSTER_HOME"


def demo_config_path() -> Path:
    """Where `storeavail demo` keeps its configuration: below the working directory, or below
    $STOREAVAIL_DEMO_HOME.
    """
    return (
        Path(os.environ.get(DEMO_HOME_VARIABLE) or Path.cwd() / DEMO_HOME).absolute() / CONFIG_NAME
    )


def dagster_home(platform: Platform) -> Path:
    """The folder of Dagster's instance: $DAGSTER_HOME, else below the warehouse.

    Raises:
        ConfigError: the warehouse is on S3 and the variable is not set.
    """
    chosen = os.environ.get(DAGSTER_HOME_VARIABLE)
    if not chosen and platform.warehouse.startswith(S3):
        raise ConfigError(
            f"{DAGSTER_HOME_VARIABLE} is not set: with a warehouse on S3, name the folder that"
            " holds dagster.yaml"
        )
    return Path(chosen or Path(platform.warehouse) / "dagster").absolute()


def load_platform(path: str | None = None) -> Platform:
    """The configuration at `path` (or `s3://` address), else at $STOREAVAIL_CONFIG, else the
    demo's.

    Raises:
        ConfigError: there is no such file, or it has mistakes; the message lists all of them.
    """
    chosen = path or os.environ.get(CONFIG_VARIABLE)
    if chosen and chosen.startswith(S3):
        origin, base = chosen, chosen.rpartition("/")[0]
    else:
        file = Path(chosen).absolute() if chosen else demo_config_path()
        origin, base = str(file), str(file.parent)
    try:
        text = _read(origin).decode("utf-8-sig")
    except FileNotFoundError:
        named = "" if path else f" (named by {CONFIG_VARIABLE})" if chosen else ""
        todo = f"`make demo` writes one; for your own, give --config FILE or set {CONFIG_VARIABLE}"
        raise ConfigError(f"there is no configuration file {origin}{named}: {todo}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{origin}: is not UTF-8 text") from None
    except OSError as error:
        raise ConfigError(
            f"cannot read the configuration {origin}: {error.strerror or error}"
        ) from None
    return load_text(text, base=base, origin=origin)


def _read(origin: str) -> bytes:
    if not origin.startswith(S3):
        return Path(origin).read_bytes()
    # boto3 takes long to import and most configurations do not need it
    from storeavail_platform.aws.objects import read_object

    return read_object(origin)
