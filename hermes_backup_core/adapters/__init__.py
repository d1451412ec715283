"""The real world behind the ports: processes, the engine, file systems, GNU tar, the clock."""
