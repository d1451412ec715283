<?php
echo "Hermes console\n";
