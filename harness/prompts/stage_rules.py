"""Stage rules as a file gives them: an unknown key is answered with those that there are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator

from eval.stage import records
from harness.files import nearest


def _known_keys(data: Any) -> Any:
    kind = records.RULES.get(str(data.get("check"))) if isinstance(data, Mapping) else None
    fields = kind.model_fields if kind is not None else data
    for key in data if kind is not None else ():
        if key not in fields:
            raise ValueError(f"unknown key {key!r}{nearest(str(key), fields)}")
    return data


StageRule = Annotated[records.StageRule, BeforeValidator(_known_keys)]
