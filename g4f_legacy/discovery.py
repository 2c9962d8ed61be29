"""The servers that listen on this machine, found at their well-known ports."""
