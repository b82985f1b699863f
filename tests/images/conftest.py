"""Tests of images share an engine, a base, a set of images and a line."""

from tests.images.fixtures import base, docker, images, line

__all__ = ["base", "docker", "images", "line"]
