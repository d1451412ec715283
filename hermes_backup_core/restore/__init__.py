"""Restoring a backup: survey the host, prove the backup, stage it, swap it in, or go back."""
