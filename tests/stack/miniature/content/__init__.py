"""What a seeded miniature holds: everything that must survive a round trip."""
