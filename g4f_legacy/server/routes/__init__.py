"""The protocols that the local server speaks, a module each."""
