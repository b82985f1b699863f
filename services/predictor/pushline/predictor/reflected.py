"""What reflection tells of each service: its messages, under the names that it is served by.

The default pool has TensorFlow Serving's messages in Pushline's own package. Told are the names that clients know, so that a tool
which learns from reflection can read the signature that comes packed by its name.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import Default, DescriptorPool
from google.rpc import error_details_pb2

from pushline.predictor.tfserving_api import PACKAGE
from pushline.tfserving.v1 import tfserving_pb2

OWN = f".{tfserving_pb2.DESCRIPTOR.package}."


class Pool:
    """A pool that finds methods as well, which tools ask for by name; protobuf's own finds their services alone."""

    def __init__(self, pool: DescriptorPool) -> None:
        self._pool = pool

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - all else is the pool's
        return getattr(self._pool, name)

    def FindFileContainingSymbol(self, symbol: str) -> FileDescriptor:  # noqa: N802 - as the pool has it
        """Raises KeyError."""
        try:
            return self._pool.FindFileContainingSymbol(symbol)
        except KeyError:
            service, _, method = symbol.rpartition(".")
            found = self._pool.FindServiceByName(service)
            if method not in found.methods_by_name:
                raise
            return found.file


def pool(services: Iterable[str]) -> Pool:
    """Give a pool of these services, of TensorFlow Serving's, and of what errors carry."""
    made, added = DescriptorPool(), set[str]()
    for service in services:
        _add(Default().FindServiceByName(service).file, made, added)
    for dependency in tfserving_pb2.DESCRIPTOR.dependencies:
        _add(dependency, made, added)
    _add(error_details_pb2.DESCRIPTOR, made, added)
    made.Add(_renamed(tfserving_pb2.DESCRIPTOR))
    return Pool(made)


def _add(file: FileDescriptor, made: DescriptorPool, added: set[str]) -> None:
    if file.name in added:
        return
    added.add(file.name)
    for dependency in file.dependencies:
        _add(dependency, made, added)
    made.Add(_copied(file))


def _copied(file: FileDescriptor) -> FileDescriptorProto:
    copy = FileDescriptorProto()
    file.CopyToProto(copy)
    return copy


def _renamed(file: FileDescriptor) -> FileDescriptorProto:
    copy = _copied(file)
    copy.package = PACKAGE
    for message in _with_inner(copy.message_type):
        for field in (field for field in message.field if field.type_name):
            field.type_name = _known_name(field.type_name)
    for service in copy.service:
        for method in service.method:
            method.input_type, method.output_type = _known_name(method.input_type), _known_name(method.output_type)
    return copy


def _with_inner(messages: Iterable[DescriptorProto]) -> Iterator[DescriptorProto]:
    for message in messages:
        yield message
        yield from _with_inner(message.nested_type)


def _known_name(name: str) -> str:
    return f".{PACKAGE}.{name.removeprefix(OWN)}" if name.startswith(OWN) else name
