"""What `--model openai` is told in `--model_args`, checked before anything is sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from onethinker_eval.errors import UsageError, unknown_name
from onethinker_eval.harness.models.api_media import FORMATS, MODES
from onethinker_eval.judging.settings import checked_url, key_of_environment, refuse_secret

__all__ = ["ApiSettings"]

_OPTION = "--model_args"


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """A server and how it is asked.

    `timeout` seconds bound each try of a request, `retries` are made after a failure that may
    pass, `requests_per_minute` are begun at most (0: no limit but the server's).
    `max_new_tokens` caps the task's. `reasoning` is for hosted models that take no temperature
    and count hidden thinking as new tokens. Prices are money per million tokens.
    """

    base_url: str
    model: str
    api_key_env: str = ""
    media: str = "frames"
    image_format: str = ""
    timeout: float = 600.0
    retries: int = 8
    requests_per_minute: float = 0.0
    max_new_tokens: int | None = None
    reasoning: bool = False
    seed: int | None = None
    price_in: float = 0.0
    price_out: float = 0.0

    @classmethod
    def of(cls, values: Mapping[str, Any], others: tuple[str, ...]) -> ApiSettings:
        """Read `values`; `others` are known names that mean something elsewhere.

        Raises `UsageError` naming the argument at fault, with the nearest known one.
        """
        known = {item.name for item in fields(cls)}
        for name in values:
            refuse_secret(name, option=_OPTION)
            if name not in known:
                raise unknown_name("argument of openai", name, [*sorted(known), *others])
        for name in ("base_url", "model"):
            if not values.get(name):
                raise UsageError(
                    f"openai needs {name}=… in {_OPTION}",
                    hint="e.g. base_url=http://localhost:8000/v1,model=NAME",
                )
        given = {name: value for name, value in values.items() if value is not None}
        found = cls(**{name: _typed(name, value) for name, value in given.items()})
        if found.image_format:
            return found
        # lossless where the point is to show what transformers would show; else what is small
        image_format = "png" if found.media == "vllm" else "jpeg"
        return replace(found, image_format=image_format)

    @property
    def api_key(self) -> str | None:
        """The key for the server, from the environment; `UsageError` if a named one lacks."""
        return key_of_environment(self.base_url, self.api_key_env, option=_OPTION)

    def price(self, tokens_in: int, tokens_out: int) -> float:
        """Return what a reply of so many tokens costs.

        >>> ApiSettings("http://h", "m", price_in=2.0, price_out=8.0).price(500_000, 250_000)
        3.0
        """
        return (tokens_in * self.price_in + tokens_out * self.price_out) / 1e6


_RANGES: dict[str, tuple[type, float, float]] = {
    "timeout": (float, 0.05, 86_400),
    "retries": (int, 0, 20),
    "requests_per_minute": (float, 0, 1e6),
    "max_new_tokens": (int, 1, 1 << 20),
    "seed": (int, 0, (1 << 63) - 1),
    "price_in": (float, 0, 1e6),
    "price_out": (float, 0, 1e6),
}
_CHOICES = {"media": MODES, "image_format": FORMATS}


def _typed(name: str, value: Any) -> Any:
    if name in _RANGES:
        kind, low, high = _RANGES[name]
        try:
            number = kind(value)
        except (TypeError, ValueError):
            number = None
        if number is None or isinstance(value, bool) or not low <= number <= high:
            raise UsageError(f"{name} in {_OPTION} must be {low:g} to {high:g}, found {value!r}")
        return number
    if name == "reasoning":
        return str(value).casefold() in {"true", "1"}
    text = str(value)
    if name in _CHOICES and text not in _CHOICES[name]:
        raise unknown_name(f"{name} in {_OPTION}", text, _CHOICES[name])
    return checked_url(name, text, option=_OPTION) if name == "base_url" else text
