"""The examples of the library's page, typed by a reader on a real host."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pytest

from hermes_backup_core import BackupResult, VerifiedBackup
from tests.documentation import run
from tests.stack.conftest import Maker


def test_every_example_of_the_library_page_runs_on_a_real_stack(
    miniature: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hermes = miniature()
    monkeypatch.setattr(os, "environ", dict(hermes.environ) | {"HERMES_BACKUP_STATE": str(tmp_path / "state")})
    backups = tmp_path / "backups"
    backups.mkdir()
    namespace = run("library.md", {"/opt/hermes-seg-docker-gl": str(hermes.root), "/mnt/backups": str(backups)})
    result, verified = namespace["result"], namespace["verified"]
    assert isinstance(result, BackupResult)
    assert isinstance(verified, VerifiedBackup)
    with tarfile.open(result.path) as tar:
        assert set(tar.getnames()) == {"backup_manifest.json", *verified.manifest.members}
    printed = capsys.readouterr().out
    assert f"vmail      {hermes.tiers['vmail']}" in printed
    assert "dump database hermes" in printed
    assert "system v260119" in printed
    assert "exchange the data tier at" in printed
    assert "tables and 2 tiers" in printed
