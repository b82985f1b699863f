"""Names that anyone can compute again: run ids, event ids (RFC 9562 UUIDv5), and Kafka's partition of a key (murmur2)."""

import hashlib
import re
from functools import lru_cache
from uuid import UUID

NAMESPACE = UUID("6f0a7a52-52b1-5c0e-9d0c-5a1fca5f3e11")  # fixed for good: every id of every line hangs on it

# Becomes part of object keys, paths and addresses: a record of anything else belongs to no model.
MODEL_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}", re.ASCII)


@lru_cache(maxsize=4096)  # each record of a run asks
def run_id(model: str, generation: int, attempt: int, sha: str) -> str:
    return _uuid5(NAMESPACE.bytes, f"{model}/{generation}/{attempt}/{sha}")


def event_id(run: str, topic: str, value: bytes) -> str:
    """Name a record by its run, topic (without prefix) and the bytes of its value as sent. `run` may be empty.

    Raises ValueError where it is neither empty nor a UUID.
    """
    return _uuid5(_space(run), f"{topic}/{hashlib.sha256(value).hexdigest()}")


@lru_cache(maxsize=4096)
def _space(run: str) -> bytes:
    return (UUID(run) if run else NAMESPACE).bytes


def _uuid5(space: bytes, name: str) -> str:
    """Give str(uuid.uuid5(…)) in a third of its time: the fold asks for two of each record."""
    h = hashlib.sha1(space + name.encode(), usedforsecurity=False).hexdigest()
    return f"{h[:8]}-{h[8:12]}-5{h[13:16]}-{_VARIANT[h[16]]}{h[17:20]}-{h[20:32]}"


_VARIANT = {digit: f"{int(digit, 16) & 3 | 8:x}" for digit in "0123456789abcdef"}  # RFC 9562: the two highest bits are 10


@lru_cache(maxsize=4096)  # a line has few models, and every record of theirs asks
def partition_of(key: bytes, partitions: int) -> int:
    """Give the partition that Kafka's default partitioner (librdkafka: murmur2_random) gives a key that is not empty."""
    return (_murmur2(key) & 0x7FFFFFFF) % partitions


def _murmur2(data: bytes) -> int:
    """MurmurHash2, 32 bits, Kafka's seed: org.apache.kafka.common.utils.Utils.murmur2."""
    mask, m = 0xFFFFFFFF, 0x5BD1E995
    h = 0x9747B28C ^ len(data)
    whole = len(data) & ~3
    for i in range(0, whole, 4):
        k = int.from_bytes(data[i : i + 4], "little") * m & mask
        k = (k ^ (k >> 24)) * m & mask
        h = (h * m & mask) ^ k
    rest = data[whole:]
    if rest:
        h = (h ^ int.from_bytes(rest, "little")) * m & mask
    h = (h ^ (h >> 13)) * m & mask
    return h ^ (h >> 15)
