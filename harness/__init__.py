"""Prompts, models, store, scores, reports and the command line around the judge in `eval`."""
