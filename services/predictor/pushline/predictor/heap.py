"""What was freed of large messages is kept for the next ones, instead of asked of the kernel again page by page.

To get 4.8 MB afresh for each message costs a third of what it takes to receive and answer one (benchmarks/RESULTS.md).
"""

import ctypes

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
LARGEST = 32 << 20  # of its heaps beside the first one, half of each


def keep_freed(message_bytes: int) -> bool:
    """Keep up to twice what a message of that size takes while it is put together. False where malloc is not glibc's."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    size = min(message_bytes + message_bytes // 4, LARGEST)
    return bool(mallopt(M_MMAP_THRESHOLD, size)) and bool(mallopt(M_TRIM_THRESHOLD, 2 * size))
