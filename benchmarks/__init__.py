"""Measure this package, and what people would use instead of it, against a scripted server on this machine."""
