"""The untrusted side: processes that load one piece of code and answer the judge's calls."""
