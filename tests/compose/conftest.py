"""Tests of Compose need the same engine, base and images."""

from tests.images.fixtures import base, docker, images

__all__ = ["base", "docker", "images"]
