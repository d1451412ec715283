"""The applications' accounts: the same in MariaDB as in the credential files of the install root."""

from __future__ import annotations

from dataclasses import dataclass

ROOT_PASSWORD = "root's own \\ p4ss"


@dataclass(frozen=True)
class Account:
    """`name` is the stem of the two credential files, `user` the account in MariaDB."""

    name: str
    user: str
    password: str
    database: str


ACCOUNTS = (
    Account("hermes", "hermes", "h3rmes-Secret", "hermes"),
    Account("authelia", "authelia", "auth elia", "authelia"),
    Account("opendmarc", "opendmarc", "$HOME `id` %s", "opendmarc"),
    Account("syslog", "rsyslog", "sys;log#1", "Syslog"),
    Account("djigzo", "djigzo", "quote ' double \" back\\slash", "djigzo"),
    Account("nextcloud", "nextcloud", "Wölkchen-☁", "nextcloud"),
)


def credential_files() -> dict[str, str]:
    """File name to text, below `config/hermes/opt/hermes/creds/`."""
    files = {"mysql_root_password": ROOT_PASSWORD}
    for account in ACCOUNTS:
        # Some installers end the line, some do not.
        end = "\n" if account.name == "authelia" else ""
        files[f"{account.name}_username"] = account.user + end
        files[f"{account.name}_password"] = account.password + end
    return files


def account_statements() -> str:
    """SQL that makes the accounts, one with fewer rights and one that is known at two hosts."""
    made = [
        f"CREATE USER {quoted(a.user)}@'%' IDENTIFIED BY {quoted(a.password)};\n"
        f"GRANT ALL PRIVILEGES ON `{a.database}`.* TO {quoted(a.user)}@'%';\n"
        for a in ACCOUNTS
    ]
    made.append("CREATE USER 'hermes'@'localhost' IDENTIFIED BY 'h3rmes-Secret';\n")
    made.append("GRANT SELECT, EXECUTE ON `hermes`.* TO 'hermes'@'localhost';\n")
    made.append("GRANT SELECT (id) ON `Syslog`.`SystemEvents` TO 'hermes'@'%';\n")
    return "".join(made)


def root_password_statement() -> str:
    return f"ALTER USER 'root'@'localhost' IDENTIFIED BY {quoted(ROOT_PASSWORD)};\n"


def quoted(text: str) -> str:
    """A string literal of MariaDB's default SQL mode."""
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"
