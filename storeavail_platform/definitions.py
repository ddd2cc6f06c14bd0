"""The Dagster code location: `defs`, built from the configuration that the environment names. Nothing else belongs here."""

from storeavail_platform.build import build_definitions
from storeavail_platform.config import load_platform

defs = build_definitions(load_platform())
