"""An AWS of moto's for publishing notes."""

from storeavail_platform_tests.deploy.conftest import aws

__all__ = ["aws"]
