"""An install root with a `.env`, and five small tiers."""

from __future__ import annotations

from pathlib import Path

VOLUMES = {
    "db_data": ("data", "dbase"),
    "ldap_data": ("data", "ldap/data"),
    "dovecot_mail": ("vmail", "dovecot"),
    "amavis_data": ("archive", "amavis"),
    "nextcloud": ("nextcloud", "app"),
}
KEYS = {"data": "DATA_MOUNT", "archive": "ARCHIVE_MOUNT", "vmail": "VMAIL_MOUNT", "nextcloud": "FILES_MOUNT"}


def install(root: Path, tiers: dict[str, Path]) -> dict[str, str]:
    """Make the install root ``root`` with ``tiers``; return the folders of Compose's volumes."""
    (root / "scripts").mkdir(parents=True)
    (root / "docker-compose.yml").write_text("services: {}\n")
    (root / ".env").write_text("".join(f"{KEYS[tier]}={path}\n" for tier, path in tiers.items()))
    devices = {name: str(tiers[tier] / folder) for name, (tier, folder) in VOLUMES.items()}
    for device in devices.values():
        Path(device).mkdir(parents=True)
    for tier, path in tiers.items():
        (path / "note.txt").write_text(f"the {tier} tier\n" * 20)
    (tiers["vmail"] / "dovecot" / "mail.1").write_text("From: a\n\nhello\n" * 100)
    return devices
