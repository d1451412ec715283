"""Logical volumes for real: each test here is a boot, in which those of `tests/vm/inside` run."""

from __future__ import annotations

from tests.vm.inside.test_power_cut import STANDS
from tests.vm.machine import Machine, script_of


def test_backups_from_logical_volumes(machine: Machine) -> None:
    with machine.boot(script_of("test_backups.py"), machine.disk("lvm", "2G")) as boot:
        output = boot.finish()
    print(output)
    summary = output.splitlines()[-1]
    assert "passed" in summary
    assert "skipped" not in summary


def test_a_power_cut_while_the_snapshot_stands(machine: Machine) -> None:
    disks = machine.disk("lvm", "2G"), machine.disk("host", "1G")
    with machine.boot(script_of("test_power_cut.py::test_until_the_power_is_cut"), *disks) as boot:
        boot.wait_for(STANDS)
        boot.cut_power()
    with machine.boot(
        script_of("test_power_cut.py::test_after_the_cut_the_next_run_finds_and_removes_it"), *disks
    ) as boot:
        output = boot.finish()
    print(output)
    assert "1 passed" in output.splitlines()[-1]
