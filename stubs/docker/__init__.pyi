"""The part of docker-py (7.x) that this project uses; the package ships no types."""

from docker import errors as errors
from docker.client import DockerClient as DockerClient

__all__ = ["DockerClient", "errors"]
