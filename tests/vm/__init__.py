"""Tests in a virtual machine of its own kernel: logical volumes, and what a power cut leaves of them.

Nothing but `nox -s vm` runs them, since the machine is emulated and takes its time.
"""
