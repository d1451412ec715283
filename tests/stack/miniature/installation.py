"""The folders and files of a fresh installation: install root, tiers, LDAP's configuration."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tests.stack.miniature import image
from tests.stack.miniature.content.accounts import credential_files
from tests.stack.miniature.content.directory import CONFIG
from tests.stack.miniature.miniature import Miniature

ROOT_FILES = Path(__file__).parent / "root"
OCC = Path(__file__).parent / "nextcloud/occ"
NEXTCLOUD_CONFIG = """\
<?php
$CONFIG = array (
  'instanceid' => 'oc1miniature',
  'dbtype' => 'mysql',
  'maintenance' => false,
);
"""
VMAIL, WWW_DATA, AMAVIS = 5000, 33, 1001

FOLDERS = {
    "data": (
        "authelia", "commandbox", "dbase", "dmarc", "dovecot/logs", "dovecot/sieve", "ldap/data", "ldap/logs",
        "linkguard", "mail_filter/data/clamav", "mail_filter/data/spamassassin", "mail_filter/logs",
        "nginx/logs", "openarc", "postfix_dkim/logs", "postfix_dkim/queue",
    ),
    "archive": ("amavis",),
    "vmail": ("dovecot",),
    "nextcloud": ("app/config", "app/data", "redis"),
}  # fmt: skip
# The folder's own owner and rights travel with a tier too, so none of them is what mkdir would make.
TOPS = {
    "data": (0, 0o751),
    "archive": (AMAVIS, 0o750),
    "vmail": (VMAIL, 0o770),
    "nextcloud": (WWW_DATA, 0o750),
}


def lay_out(made: Miniature) -> None:
    """Make what the installer would have made, below a base that is new."""
    image.ensure(made.engine)
    made.base.mkdir(parents=True, exist_ok=True)
    lay_out_root(made)
    for tier, path in made.tiers.items():
        for folder in FOLDERS[tier]:
            (path / folder).mkdir(parents=True, exist_ok=True)
    own_tiers(made.tiers)
    fill_nextcloud(made.tiers["nextcloud"])
    (made.base / "received-mail").mkdir()
    os.chown(made.base / "received-mail", VMAIL, VMAIL)
    configure_slapd(made)


def lay_out_root(made: Miniature) -> None:
    shutil.copytree(ROOT_FILES, made.root)
    for folder in ("config/postfix-dkim", "config/ldap/etc/ldap/slapd.d", "install-logs", ".git/objects"):
        (made.root / folder).mkdir(parents=True)
    (made.root / "install-logs/install-20260101.log").write_text("installed\n")
    (made.root / ".git/HEAD").write_text("ref: refs/heads/main\n")
    for script in (made.root / "scripts").iterdir():
        script.chmod(0o755)
    made.creds.mkdir(parents=True)
    made.creds.chmod(0o700)
    for name, text in credential_files().items():
        (made.creds / name).write_text(text)
        (made.creds / name).chmod(0o600)
    keys = made.creds.with_name("keys")
    keys.mkdir(mode=0o700)
    (keys / "dkim.private").write_text("-----BEGIN PRIVATE KEY-----\n")
    (keys / "dkim.private").chmod(0o600)
    (keys / "current").symlink_to("dkim.private")


def own_tiers(tiers: dict[str, Path]) -> None:
    os.chown(tiers["archive"] / "amavis", AMAVIS, AMAVIS)
    if (tiers["vmail"] / "dovecot").exists():
        os.chown(tiers["vmail"] / "dovecot", VMAIL, VMAIL)
    # From the last to the first: where all share one path, it is the data tier's.
    for tier in reversed(tiers):
        owner, mode = TOPS[tier]
        os.chown(tiers[tier], owner, owner)
        tiers[tier].chmod(mode)


def fill_nextcloud(tier: Path) -> None:
    app = tier / "app"
    shutil.copy(OCC, app / "occ")
    (app / "config/config.php").write_text(NEXTCLOUD_CONFIG)
    for path in (app, app / "config", app / "data", app / "occ", app / "config/config.php"):
        os.chown(path, WWW_DATA, WWW_DATA)


def configure_slapd(made: Miniature) -> None:
    folder = made.root / "config/ldap/etc/ldap/slapd.d"
    in_a_container(made, "slapadd -n 0 -F /etc/ldap/slapd.d", {folder: "/etc/ldap/slapd.d"}, CONFIG)


def in_a_container(made: Miniature, script: str, mounts: dict[Path, str], data: str) -> None:
    """Run a shell script in a container of its own, with folders mounted."""
    argv = ["run", "--rm", "-i", "--network", "none", "--entrypoint", "sh"]
    for source, target in mounts.items():
        argv += ["--mount", f"type=bind,source={source},target={target}"]
    made.engine.docker(*argv, image.NAME, "-c", script, data=data.encode())
