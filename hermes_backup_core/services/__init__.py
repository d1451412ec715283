"""What the run asks of the programs inside the containers: MariaDB, slapd, Nextcloud, Postfix."""
