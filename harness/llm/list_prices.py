"""Published prices for `price = "list"`, from the `genai-prices` package: the extra `prices`.

What a provider publishes is not always what an account pays, so such a price says where it is from,
and so does every cost that is made with it. Nothing is downloaded: the figures are those of the
package's version.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from harness.errors import EnvironmentFailure, UsageError
from harness.llm.prices import Price
from harness.llm.spec import OPENAI_URL, public_url

LIST = "list"
_TOKENS = 1000
"""Of a short call: where long prompts have another price, that of the short ones holds."""


def with_list_price(model: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return the fields of a `ModelSpec` with a published price where `price` is ``"list"``.

    Raises `EnvironmentFailure` without the package and `UsageError` where it knows no price of that
    model at that address; `where` is for its message.
    """
    fields = dict(model)
    if fields.get("price") != LIST:
        return fields
    name = str(fields.get("model") or fields.get("name"))
    url = str(fields.get("base_url") or os.environ.get("OPENAI_BASE_URL") or OPENAI_URL)
    return fields | {"price": list_price(name, url, where)}


def list_price(model: str, url: str, where: str) -> Price:
    """Return the published price of a model at an address; it raises what `with_list_price` says."""
    try:
        from genai_prices import Usage, calc_price
    except ImportError as error:
        raise EnvironmentFailure(
            "the list price needs genai-prices: pip install 'kernel-harness[prices]'"
        ) from error

    def of_a_million(side: str, **usage: int) -> float:
        found = calc_price(Usage(**usage), model_ref=model, provider_api_url=url)
        return float(getattr(found, f"{side}_price")) * 1e6 / _TOKENS

    try:
        return Price(
            input=of_a_million("input", input_tokens=_TOKENS),
            output=of_a_million("output", output_tokens=_TOKENS),
            cached_input=of_a_million("input", input_tokens=_TOKENS, cache_read_tokens=_TOKENS),
            source=f"list price, genai-prices {version('genai-prices')}",
        )
    except LookupError as error:
        raise UsageError(
            f"{where}: no list price is known of {model} at {public_url(url)}; give INPUT,OUTPUT of a"
            " million tokens"
        ) from error
