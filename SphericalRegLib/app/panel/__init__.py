"""What a panel holds and fills in, without Qt."""
