"""The protocols that the local server speaks."""
