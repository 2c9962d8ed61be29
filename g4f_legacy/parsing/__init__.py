"""From bytes to events and JSON, without any I/O."""
