"""Memory on CPUs that is kept once it was had.

glibc gives blocks above 32 MiB back to the system as soon as they are freed and gets them anew,
page by page and zeroed, for the next tensor of that size: a third of a small model's training
step. Kept, the process holds what it needed at its peak.
"""

from __future__ import annotations

import ctypes

__all__ = ["keep_freed_memory"]

# The names and numbers of <malloc.h>.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4
_NEVER = 2**31 - 1
_STEP = 64 << 20


def keep_freed_memory() -> bool:
    """Let this process keep what it frees; return whether its C library can (glibc)."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):  # musl, macOS, Windows
        return False
    wanted = ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, _NEVER), (_M_TOP_PAD, _STEP))
    return all(mallopt(name, value) for name, value in wanted)
