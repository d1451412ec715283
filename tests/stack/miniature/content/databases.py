"""The six databases, with every kind of object that MariaDB knows."""

from __future__ import annotations

DATABASES = ("hermes", "authelia", "opendmarc", "Syslog", "djigzo", "nextcloud")
EMPTY_DATABASE = "djigzo"
BUILD_NO = "v260119"
ROWS = 200

OBJECTS = r"""
CREATE TABLE z_parent (
  id INT AUTO_INCREMENT PRIMARY KEY,
  name VARCHAR(80) NOT NULL,
  price DECIMAL(12,4) DEFAULT NULL,
  gross DECIMAL(14,4) AS (price * 1.19) PERSISTENT,
  initial CHAR(1) AS (LEFT(name, 1)) VIRTUAL,
  kind ENUM('a','b','it''s') DEFAULT 'a',
  flags BIT(12) DEFAULT b'101',
  seen TIMESTAMP NOT NULL DEFAULT '2020-02-29 12:34:56',
  born DATE DEFAULT '0001-01-01',
  facts LONGTEXT CHECK (facts IS NULL OR JSON_VALID(facts)),
  KEY by_name (name), FULLTEXT KEY words (name)
) ENGINE=InnoDB;
INSERT INTO z_parent (name, price, facts)
  SELECT CONCAT('name ', seq), seq / 7, IF(seq % 3, NULL, JSON_OBJECT('n', seq)) FROM seq_1_to_200;

CREATE TABLE a_child (
  id INT AUTO_INCREMENT PRIMARY KEY,
  parent INT NOT NULL,
  older INT DEFAULT NULL,
  note TEXT,
  CONSTRAINT to_parent FOREIGN KEY (parent) REFERENCES z_parent (id) ON DELETE CASCADE,
  CONSTRAINT to_self FOREIGN KEY (older) REFERENCES a_child (id) ON DELETE SET NULL
) ENGINE=InnoDB;
INSERT INTO a_child (id, parent, older, note)
  SELECT seq, seq, IF(seq > 1, seq - 1, NULL), IF(seq % 2, NULL, '') FROM seq_1_to_200;

CREATE TABLE bytes (id INT PRIMARY KEY, content LONGBLOB, plain VARBINARY(300)) ENGINE=InnoDB;
INSERT INTO bytes VALUES (1, UNHEX('{every_byte}'), UNHEX('{every_byte}')), (2, '', ''), (3, NULL, NULL);
INSERT INTO bytes VALUES (4, UNHEX(REPEAT('0D0A5C27002D2D20', 40000)), 0x0D0A);

CREATE TABLE words (id INT PRIMARY KEY, word VARCHAR(190) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin);
INSERT INTO words VALUES (1, 'Zürich'), (2, '😀 𝄞 𠮷'), (3, 'مرحبا'), (4, 'line\nbreak\ttab'), (5, '\\ '' "'),
  (6, '-- Dump completed'), (7, '/*!40000 DROP TABLE words */;'), (8, _utf8mb4 0x65CC81);
CREATE TABLE `odd ``name``; -- ü` (`select` INT, `spa ce` VARCHAR(9) DEFAULT 'x', PRIMARY KEY (`select`));
INSERT INTO `odd ``name``; -- ü` VALUES (1, 'y'), (2, DEFAULT);
CREATE TABLE no_rows (id BIGINT UNSIGNED PRIMARY KEY, shape POINT, address INET6, token UUID);
CREATE TABLE old_latin (id INT PRIMARY KEY, word VARCHAR(20)) CHARSET latin1;
INSERT INTO old_latin VALUES (1, 'café'), (2, 'naïve');
CREATE TABLE in_parts (id INT NOT NULL, PRIMARY KEY (id)) PARTITION BY RANGE (id)
  (PARTITION low VALUES LESS THAN (100), PARTITION high VALUES LESS THAN MAXVALUE);
INSERT INTO in_parts SELECT seq FROM seq_1_to_200;
CREATE TABLE in_aria (id INT PRIMARY KEY, place POINT) ENGINE=Aria;
INSERT INTO in_aria VALUES (1, POINT(1.5, -2.25));
CREATE TABLE audit (n INT, what VARCHAR(40)) ENGINE=InnoDB;

CREATE SEQUENCE numbers START WITH 7 INCREMENT BY 3 CACHE 10;
SELECT NEXTVAL(numbers) INTO @ignored;
CREATE VIEW v_children AS SELECT c.id, p.name FROM a_child c JOIN z_parent p ON p.id = c.parent;
CREATE DEFINER = 'hermes'@'%' SQL SECURITY INVOKER VIEW v_a_view_of_a_view AS
  SELECT id FROM v_children WHERE id < 10;
DELIMITER //
CREATE TRIGGER after_insert AFTER INSERT ON z_parent FOR EACH ROW
BEGIN
  INSERT INTO audit VALUES (NEW.id, CONCAT('made; ', NEW.name));
END//
CREATE TRIGGER before_update BEFORE UPDATE ON z_parent FOR EACH ROW SET NEW.name = TRIM(NEW.name)//
CREATE PROCEDURE count_children(IN wanted INT, OUT found INT)
BEGIN
  DECLARE text VARCHAR(20) DEFAULT 'it''s; -- no end';
  SELECT COUNT(*) INTO found FROM a_child WHERE parent = wanted;
END//
CREATE DEFINER = 'hermes'@'%' FUNCTION twice(n INT) RETURNS INT DETERMINISTIC RETURN n * 2//
CREATE EVENT far_away ON SCHEDULE EVERY 1 YEAR STARTS '2037-01-01 00:00:00'
  DO BEGIN DELETE FROM audit WHERE n IS NULL; END//
DELIMITER ;
INSERT INTO z_parent (name, price) VALUES ('by trigger', 1);
"""

OWN_TABLES = {
    "hermes": f"""
CREATE TABLE system_settings (id INT AUTO_INCREMENT PRIMARY KEY, parameter VARCHAR(255) NOT NULL, value TEXT);
INSERT INTO system_settings (parameter, value) VALUES
  ('build_no', '{BUILD_NO}'), ('edition', 'Community'), ('postmaster', 'postmaster@example.com');
""",
    "Syslog": """
CREATE TABLE SystemEvents (id INT AUTO_INCREMENT PRIMARY KEY, Message TEXT, ReceivedAt DATETIME(6));
INSERT INTO SystemEvents (Message, ReceivedAt)
  SELECT CONCAT('connect from host', seq), '2026-01-02 03:04:05.678901' + INTERVAL seq SECOND
  FROM seq_1_to_2000;
""",
}


def database_statements() -> str:
    """SQL (for the `mariadb` client) that makes all six databases and fills them."""
    return "".join(statements_of(name) for name in DATABASES)


def statements_of(name: str) -> str:
    made = f"CREATE DATABASE `{name}`;\nUSE `{name}`;\n" + OWN_TABLES.get(name, "")
    if name == EMPTY_DATABASE:
        return made
    return made + OBJECTS.replace("{every_byte}", bytes(range(256)).hex())
