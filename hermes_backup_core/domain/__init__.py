"""What a backup is: pure values and decisions, with no clock, no file and no process in sight."""
