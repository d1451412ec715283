#!/bin/bash
# Stands where the shell script of the field stands.
echo "system_restore.sh of the field"
