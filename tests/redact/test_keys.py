"""Names that announce a secret, and their innocent look-alikes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whence.redact.keys import is_secret_key

_SECRET = [
    "password",
    "Password",
    "PASSWORD",
    "passwd",
    "pwd",
    "db_pwd",
    "user_password",
    "userPassword",
    "password2",
    "DB_PASSWORD",
    "secret",
    "token",
    "secrets",
    "api_key",
    "apiKey",
    "APIKEY",
    "X-Api-Key",
    "api-key",
    "access_key",
    "private_key",
    "privateKey",
    "client_secret",
    "clientSecret",
    "authorization",
    "Proxy-Authorization",
    "auth",
    "auth_token",
    "cookie",
    "set-cookie",
    "Set-Cookie",
    "session_token",
    "sessionToken",
    "access_token",
    "credential",
    "credentials",
    "connection_string",
    "connectionString",
    "dsn",
    "SENTRY_DSN",
    "passphrase",
    "passcode",
    "pin",
    "card_pin",
    "cvv",
    "ssn",
    "jwt",
    "otp",
    "AWS_SECRET_ACCESS_KEY",
    "secret_key",
    "signing_key",
    "bearer_token",
    "id_token",
    "refresh_token",
    "webhook_secret",
    "db.password",
]
_HARMLESS = [
    "input_tokens",
    "output_tokens",
    "total_tokens",
    "max_tokens",
    "prompt_tokens",
    "tokens",
    "token_count",
    "token_usage",
    "tokenizer",
    "next_token",
    "eos_token",
    "cost_per_token",
    "key",
    "keys",
    "primary_key",
    "sort_key",
    "cache_key",
    "foreign_key",
    "keyboard",
    "monkey",
    "principle",
    "pinned",
    "spin",
    "mapping",
    "author",
    "authority",
    "oauth_enabled",
    "secretary",
    "passed",
    "compass",
    "classpath",
    "password_policy_id",
    "description",
    "action",
    "partial",
    "initial",
    "organization",
    "string",
    "substring",
    "lessons",
    "session_id",
    "trace_id",
    "name",
]


@pytest.mark.parametrize("name", _SECRET)
def test_secret_names(name: str) -> None:
    assert is_secret_key(name)


@pytest.mark.parametrize("name", _HARMLESS)
def test_harmless_names(name: str) -> None:
    assert not is_secret_key(name)


@given(st.text(max_size=400))
def test_any_text_gets_an_answer(name: str) -> None:
    assert is_secret_key(name) in (True, False)
