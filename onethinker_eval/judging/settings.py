"""Which judge to ask, and how: the option `--judge base_url=…,model=…[,…]`, checked.

Nothing secret is ever part of it: a key comes from an environment variable whose *name* may be
given (`api_key_env`), so that neither a command line nor a file holds one.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlsplit

from onethinker_eval.errors import UsageError, unknown_name

__all__ = [
    "DEFAULT_KEY",
    "REWARD_SERVERS",
    "JudgeSettings",
    "checked_url",
    "is_local",
    "key_of_environment",
    "parse_judge",
    "refuse_secret",
]

DEFAULT_KEY = "OPENAI_API_KEY"
"""The variable looked at when `api_key_env` is not given; it need not be set."""

REWARD_SERVERS = ("sglang", "vllm", "lmdeploy")
"""The three servers POLAR's models are served with; each has its own request and reply."""

_OPTION = "--judge"
_SECRETS = ("api_key", "apikey", "key", "token", "secret", "password")
_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class JudgeSettings:
    """A chat judge (`base_url` and `model`), a reward model (`reward_url`), or both.

    `concurrency` requests run at once; `timeout_s` bounds one request from start to end;
    `retries` are tried after a failure that may pass. `reward_batch` pairs go in one request.
    """

    base_url: str = ""
    model: str = ""
    api_key_env: str = ""
    concurrency: int = 8
    timeout_s: float = 60.0
    retries: int = 5
    reward_url: str = ""
    reward_model: str = ""
    reward_server: str = "sglang"
    reward_batch: int = 16

    @property
    def chat(self) -> bool:
        """Whether there is a chat judge."""
        return bool(self.base_url)

    @property
    def reward(self) -> bool:
        """Whether there is a reward model."""
        return bool(self.reward_url)

    def api_key(self, url: str) -> str | None:
        """Return the key for requests to `url`, from the environment; None without one.

        The default variable is not sent in the clear to another machine: name it to insist.
        Raises `UsageError` if a variable that was named is not set.
        """
        return key_of_environment(url, self.api_key_env)

    def to_json(self) -> dict[str, Any]:
        """Return the settings as JSON values; there is nothing secret among them."""
        return asdict(self)


def key_of_environment(url: str, variable: str, *, option: str = _OPTION) -> str | None:
    """Return the key for requests to `url`: that in `variable`, else in `OPENAI_API_KEY`.

    The default variable need not be set, and is not sent in the clear to another machine. Raises
    `UsageError` naming `option` if a variable that was named is not set.
    """
    if variable:
        value = os.environ.get(variable, "").strip()
        if not value:
            raise UsageError(
                f"{option} api_key_env={variable}: the variable is not set",
                hint=f"export {variable}=… first",
            )
        return value
    if urlsplit(url).scheme == "http" and not is_local(url):
        return None
    return os.environ.get(DEFAULT_KEY, "").strip() or None


def refuse_secret(name: str, *, option: str = _OPTION) -> None:
    """Raise `UsageError` if `name` is that of a key: what is stored must hold none."""
    if name.casefold() in _SECRETS:
        raise UsageError(
            f"{option} takes no {name}: it would end up in the run folder",
            hint="put it into an environment variable and give its name as api_key_env=NAME",
        )


def is_local(url: str) -> bool:
    """Tell whether `url` names this machine.

    >>> is_local("http://127.0.0.1:8000/v1"), is_local("https://api.example.org/v1")
    (True, False)
    """
    return (urlsplit(url).hostname or "") in _LOCAL


def parse_judge(text: str) -> JudgeSettings:
    """Read `key=value,key=value`.

    >>> parse_judge("base_url=http://localhost:8000/v1,model=m,concurrency=4").concurrency
    4

    Raises `UsageError` naming the key at fault, with the nearest known key.
    """
    values = _pairs(text)
    found: dict[str, Any] = {}
    known = JudgeSettings.__dataclass_fields__
    for name, value in values.items():
        refuse_secret(name)
        name = "timeout_s" if name == "timeout" else name
        if name not in known:
            raise unknown_name(f"key of {_OPTION}", name, known)
        found[name] = _typed(name, value)
    _check(found)
    return JudgeSettings(**found)


def _pairs(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in text.split(","):
        if not part.strip():
            continue
        key, sign, value = part.partition("=")
        if not sign or not key.strip() or not value.strip():
            raise UsageError(
                f"{_OPTION} expects key=value,key=value; a part has no value",
                hint="e.g. base_url=http://localhost:8000/v1,model=NAME",
            )
        found[key.strip()] = value.strip()
    return found


_WHOLE = {"concurrency": (1, 256), "retries": (0, 20), "reward_batch": (1, 1024)}


def _typed(name: str, value: str) -> Any:
    if name in _WHOLE:
        low, high = _WHOLE[name]
        if not value.isdecimal() or not low <= int(value) <= high:
            raise UsageError(f"{_OPTION} {name} must be {low} to {high}, found {value!r}")
        return int(value)
    if name == "timeout_s":
        try:
            seconds = float(value)
        except ValueError:
            seconds = -1.0
        if not 0.05 <= seconds <= 3600:
            raise UsageError(f"{_OPTION} timeout must be 0.05 to 3600 seconds, found {value!r}")
        return seconds
    if name in ("base_url", "reward_url"):
        return checked_url(name, value)
    return value


def checked_url(name: str, value: str, *, option: str = _OPTION) -> str:
    """Return the address `value` without its last slash; `UsageError` if it is none or secret."""
    try:
        parts = urlsplit(value)
        host = parts.hostname
        secret = parts.username or parts.password or parts.query or parts.fragment
        _ = parts.port
    except ValueError:
        host, secret, parts = None, None, urlsplit("")
    if parts.scheme not in ("http", "https") or not host:
        raise UsageError(
            f"{option} {name} must be an http or https address",
            hint="e.g. http://localhost:8000/v1",
        )
    if secret:
        raise UsageError(
            f"{option} {name} must hold neither a user, a password nor a query",
            hint="keys come from the environment: api_key_env=NAME",
        )
    return value.rstrip("/")


def _check(values: Mapping[str, Any]) -> None:
    chat, reward = "base_url" in values, "reward_url" in values
    if chat != ("model" in values):
        missing = "model" if chat else "base_url"
        raise UsageError(
            f"{_OPTION} needs {missing} too", hint="base_url=http://localhost:8000/v1,model=NAME"
        )
    if not chat and not reward:
        raise UsageError(f"{_OPTION} needs base_url and model, or reward_url")
    server = values.get("reward_server", "sglang")
    if server not in REWARD_SERVERS:
        raise unknown_name("reward server", server, REWARD_SERVERS)
    if reward and server == "sglang" and "reward_model" not in values:
        raise UsageError(f"{_OPTION} needs reward_model too", hint="reward_model=POLAR-7B")
