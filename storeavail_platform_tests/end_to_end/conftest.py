"""The company that end-to-end tests run in."""

from storeavail_platform_tests.end_to_end.world import world

__all__ = ["world"]
