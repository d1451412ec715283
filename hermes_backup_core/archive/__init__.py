"""The tarball: members written and read in place, gzip on all cores, hashing on the way."""
