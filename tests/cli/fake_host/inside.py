"""What runs inside the containers: MariaDB, slapd, Nextcloud, Postfix, the console, in so far as a backup asks."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import define, field

from hermes_backup_core.domain.scope import DATABASES
from tests.cli.fake_host.replies import Reply

BUILD_NO = "v260119"
LDIF = b"dn: dc=hermes,dc=local\nobjectClass: dcObject\ndc: hermes\n\ndn: cn=a,dc=hermes,dc=local\ncn: a\n\n"
_DENIED = b"ERROR 1045 (28000): Access denied for user 'root'@'localhost' (using password: NO)\n"


@define
class Hermes:
    """The state inside the containers.

    ``mails`` are the messages that Postfix took; ``flushed`` counts how often it was told to deliver at once.
    """

    tables: dict[str, list[str]] = field(factory=lambda: {name: ["system_settings", "log"] for name in DATABASES})
    build_no: str = BUILD_NO
    ldif: bytes = LDIF
    maintenance: bool = False
    root_password: bool = False
    missing_tools: dict[str, list[str]] = field(factory=dict)
    mails: list[bytes] = field(factory=list)
    flushed: int = 0

    def run(self, container: str, argv: Sequence[str], stdin: bytes, user: str) -> Reply | None:
        """Return what ``argv`` gives inside ``container``; None where nothing is known of it."""
        words, has_password = _without_password_wrapper(list(argv))
        match words:
            case ["sh", "-c", script, "sh", *programs] if "command -v" in script:
                missing = self.missing_tools.get(container, [])
                return Reply("".join(f"{program}\n" for program in programs if program in missing).encode())
            case ["mariadb", *_]:
                return self._sql(stdin.decode(), has_password)
            case ["mariadb-dump", *_, database]:
                return self._dump(database, has_password)
            case ["slapcat", *_]:
                return Reply(self.ldif)
            case ["php", "/var/www/html/occ", "maintenance:mode", *options]:
                return self._occ(options, user)
            case ["sendmail", "-t", "-i"]:
                self.mails.append(stdin)
                return Reply()
            case ["postqueue", "-f"]:
                self.flushed += 1
                return Reply()
            case ["curl", *_]:
                return Reply()
        return None

    def _sql(self, sql: str, has_password: bool) -> Reply:
        if self.root_password != has_password:
            return Reply(stderr=_DENIED, exit_code=1)
        return Reply("".join(f"{row}\n" for row in self._rows(sql)).encode())

    def _rows(self, sql: str) -> list[str]:
        if "build_no" in sql:
            return [self.build_no] if self.build_no else []
        if "schemata" in sql:
            return [f"{name}\t1000" for name in self.tables]
        if "information_schema.tables" in sql:
            return self.tables.get(sql.split("'")[1], [])
        if "mysql.user" in sql:
            return ["root\tlocalhost\tN", "hermes\t%\tN"]
        if "SHOW CREATE USER" in sql:
            return ["CREATE USER `hermes`@`%` IDENTIFIED BY PASSWORD '*1'"]
        if "SHOW GRANTS" in sql:
            return ["GRANT ALL PRIVILEGES ON `hermes`.* TO `hermes`@`%`"]
        return ["1"]

    def _dump(self, database: str, has_password: bool) -> Reply:
        if self.root_password != has_password:
            return Reply(stderr=b"mariadb-dump: Got error: 1045: Access denied", exit_code=2)
        tables = "".join(f"CREATE TABLE `{name}` (\n  `id` int\n);\n" for name in self.tables[database])
        return Reply(f"-- MariaDB dump\n{tables}-- Dump completed on 2026-06-01\n".encode())

    def _occ(self, options: list[str], user: str) -> Reply:
        if user != "www-data":
            return Reply(b"Console has to be executed with the user that owns the file config/config.php\n", b"", 1)
        if options:
            self.maintenance = options == ["--on"]
        word = "enabled" if self.maintenance else "disabled"
        return Reply(f"Maintenance mode is currently {word}\n".encode())


def _without_password_wrapper(words: list[str]) -> tuple[list[str], bool]:
    if words[:2] == ["sh", "-c"] and "MYSQL_PWD" in words[2]:
        return words[4:], True
    return words, False
