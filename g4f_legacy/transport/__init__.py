"""One server, spoken to over one requests session."""
