#!/bin/bash
echo "system_rehost.sh of the field"
