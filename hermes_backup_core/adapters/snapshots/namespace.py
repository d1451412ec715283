"""A view of what is mounted that this thread, and what it starts, has for itself."""

from __future__ import annotations

import ctypes
import os
import threading

from hermes_backup_core.adapters.snapshots.tools import tool

_NEW_MOUNTS = 0x00020000  # CLONE_NEWNS of unshare(2)
_ENTERED = threading.local()


def enter_private_mounts() -> None:
    """Let what this thread mounts from now on be seen by nobody else; raises `OSError` or `CommandFailed`.

    No container that is started meanwhile copies such a mount and keeps it, and it ends with the last process that
    sees it, whatever ends that. What others mount and unmount is seen here as well.
    """
    if getattr(_ENTERED, "yes", False):
        return
    # os.unshare came with Python 3.12.
    if ctypes.CDLL(None, use_errno=True).unshare(_NEW_MOUNTS) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"no mounts of its own can be had: {os.strerror(code)}")
    tool(("mount", "--make-rslave", "/"))
    _ENTERED.yes = True
