"""The rules of a stage: records that prompts and checks share, and the checks themselves.

`records` is imported by `eval.records`; ask for the checks by the full name, `eval.stage.check`.
"""
