"""Backup and restore for the Hermes mail gateway."""
