"""One call to an OpenAI-compatible endpoint, with the standard library."""

from __future__ import annotations

import json
import os
import time
import urllib.error
import urllib.request
from dataclasses import dataclass


class EndpointError(Exception):
    """The endpoint could not be reached, or its answer was not a chat completion."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a model listens: `url` is the base, as in http://localhost:8080/v1."""

    url: str
    model: str = "default"
    timeout_s: float = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """What came back, and what it cost in tokens (0 when the endpoint does not say)."""

    text: str
    model: str
    input_tokens: int
    output_tokens: int
    seconds: float


def complete(endpoint: Endpoint, system: str, user: str) -> Completion:
    """Return the endpoint's answer. A key is taken from OPENAI_API_KEY when it is set.

    Raises:
        EndpointError: with the URL and the cause.
    """
    url = f"{endpoint.url.rstrip('/')}/chat/completions"
    if not url.startswith(("http://", "https://")):
        raise EndpointError(f"{endpoint.url!r} is not an http address")
    messages = [{"role": "system", "content": system}, {"role": "user", "content": user}]
    headers = {"Content-Type": "application/json"}
    if key := os.environ.get("OPENAI_API_KEY"):
        headers["Authorization"] = f"Bearer {key}"
    body = json.dumps({"model": endpoint.model, "messages": messages}).encode()
    started = time.monotonic()
    try:
        request = urllib.request.Request(url, data=body, headers=headers)
        with urllib.request.urlopen(request, timeout=endpoint.timeout_s) as response:
            answer = json.load(response)
        text = str(answer["choices"][0]["message"]["content"])
        usage = answer.get("usage") or {}
        return Completion(
            text=text,
            model=str(answer.get("model") or endpoint.model),
            input_tokens=int(usage.get("prompt_tokens") or 0),
            output_tokens=int(usage.get("completion_tokens") or 0),
            seconds=time.monotonic() - started,
        )
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise EndpointError(f"{url} gave no chat completion: {error!r}") from error
