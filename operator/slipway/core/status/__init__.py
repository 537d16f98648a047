"""What people and the next pass are told of what was decided. Nothing is decided here."""
