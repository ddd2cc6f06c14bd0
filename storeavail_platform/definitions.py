"""The Dagster code location: `defs`, built from the configuration that the environment names. Nothing else belongs here."""

from storeavail_platform.config import load_platform
from storeavail_platform.orchestration.build import build_definitions

defs = build_definitions(load_platform())
