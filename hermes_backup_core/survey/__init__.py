"""Looking at the host: what a backup and a restore both must know of it before they begin."""
