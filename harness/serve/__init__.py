"""The live page: the report's views of a store while runs write to it, read-only, with the same data as JSON.

Candidate text is untrusted: it is escaped or drawn as text, and the policy in every answer's header
allows our own script alone. Starlette is imported by `app` only.
"""
