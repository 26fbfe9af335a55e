"""Lines of an OpenAI Batch output: Chat Completions and Responses bodies, and calls that failed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import Field

from eval.records import Record
from harness.files import validated
from harness.inputs.found import LOCAL, Found
from harness.records import Reply

_OK = 200
_ENDS = {"completed": "stop", "max_output_tokens": "length"}


class _Message(Record, extra="ignore"):
    content: str | None = None
    reasoning_content: str | None = None
    refusal: str | None = None


class _Choice(Record, extra="ignore"):
    message: _Message
    finish_reason: str | None = None


class _Part(Record, extra="ignore"):
    type: str | None = None
    text: str | None = None
    refusal: str | None = None


class _Item(Record, extra="ignore"):
    content: tuple[_Part, ...] | None = None
    summary: tuple[_Part, ...] | None = None


class _Incomplete(Record, extra="ignore"):
    reason: str | None = None


class _Body(Record, extra="ignore"):
    model: str = LOCAL
    usage: dict[str, Any] | None = None
    id: str | None = None


class _Chat(_Body, extra="ignore"):
    choices: tuple[_Choice, ...]


class _Response(_Body, extra="ignore"):
    output: tuple[_Item, ...]
    status: str | None = None
    incomplete_details: _Incomplete | None = None


class _Text(Record):
    text: str
    finish_reason: str | None
    extra: dict[str, str] = Field(default_factory=dict)


def read_batch_line(place: Path, data: dict[str, Any], samples: Iterator[int]) -> Iterator[Found]:
    """Yield every reply of one line, or the failed call; raise `UsageError` for what is no output."""
    custom_id, response = str(data["custom_id"]), data.get("response")
    if not isinstance(response, dict) or data.get("error") or response.get("status_code", _OK) != _OK:
        reply = Reply(model=LOCAL, sample=0, text="", source=str(place))
        line = f"call {data['custom_id']!r} failed at the endpoint; it holds no reply{_reason(data)}"
        yield Found(reply=reply, custom_id=custom_id, error=line)
        return
    content = response.get("body") or {}
    body = validated(_Response, content, place) if "output" in content else validated(_Chat, content, place)
    for number, text in enumerate(_texts(body)):
        reply = Reply(
            model=body.model,
            model_id=body.model,
            sample=next(samples),
            text=text.text,
            finish_reason=text.finish_reason,
            # One call is billed once, however many replies it gave.
            usage=(body.usage or {}) if number == 0 else {},
            source=str(place),
        )
        extra = text.extra | ({"response_id": body.id} if body.id else {})
        yield Found(reply=reply, custom_id=custom_id, extra=extra)


def _texts(body: _Body) -> Iterator[_Text]:
    if isinstance(body, _Response):
        yield _response_text(body)
    for choice in body.choices if isinstance(body, _Chat) else ():
        message = choice.message
        said = {"reasoning": message.reasoning_content, "refusal": message.refusal}
        yield _Text(
            text=message.content or "",
            finish_reason=choice.finish_reason,
            extra={name: value for name, value in said.items() if value},
        )


def _response_text(body: _Response) -> _Text:
    parts = [part for item in body.output for part in item.content or ()]
    summaries = [part for item in body.output for part in item.summary or ()]
    said = {
        "refusal": "".join(part.refusal or "" for part in parts),
        "reasoning": "".join(part.text or "" for part in [*summaries, *parts] if part.type != "output_text"),
    }
    end = (body.incomplete_details.reason if body.incomplete_details else None) or body.status or ""
    return _Text(
        text="".join(part.text or "" for part in parts if part.type == "output_text"),
        finish_reason=_ENDS.get(end, end) or None,
        extra={name: value for name, value in said.items() if value},
    )


def _reason(data: dict[str, Any]) -> str:
    """Return what a failed line says of its failure, as the end of a sentence."""
    response = data.get("response")
    body = response.get("body") if isinstance(response, dict) else None
    error = data.get("error") or (body.get("error") if isinstance(body, dict) else None)
    message = error.get("message") if isinstance(error, dict) else None
    return f" ({' '.join(str(message).split())[:200]})" if message else ""
