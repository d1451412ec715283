#!/bin/bash
# Stands where the shell script of the field stands.
echo "system_backup.sh of the field"
