"""What generated components stand on; copied beside them, so that a target directory runs by itself."""
