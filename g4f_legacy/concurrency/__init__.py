"""Running a completion in a thread of its own, and waiting for it asynchronously."""
