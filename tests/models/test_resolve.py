from __future__ import annotations

from pathlib import Path

import pytest

from captain.core.errors import UsageError
from captain.core.messages import Request, user
from captain.models import (
    AnthropicMessages,
    OpenAIChat,
    OpenAIResponses,
    Recording,
    Replaying,
    ScriptedModel,
    complete,
    resolve,
)

ASK = Request(instructions="", messages=(user("Hello?"),))
KEY = "sk-of-the-environment"


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "OPENAI_API_KEY",
        "OPENAI_BASE_URL",
        "ANTHROPIC_API_KEY",
        "ANTHROPIC_BASE_URL",
        "ANTHROPIC_CUSTOM_HEADERS",
    ):
        monkeypatch.delenv(name, raising=False)


def chat(name: str, *, api_key: str | None = None) -> OpenAIChat:
    model = resolve(name, api_key=api_key)
    assert isinstance(model, OpenAIChat)
    return model


def test_openai_is_called_with_the_key_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)

    model = chat("openai-chat:gpt-5.5")

    assert (model.id, model._url, model._api_key) == ("openai-chat:gpt-5.5", "https://api.openai.com/v1", KEY)
    assert model.profile.pricing == ("openai", "gpt-5.5")
    assert model.profile.edit_dialect == "patch"


def test_responses_are_called_by_the_same_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)

    home, away = resolve("openai:gpt-5.5"), resolve("openai:gpt-oss@http://localhost:8000/v1/")

    assert isinstance(home, OpenAIResponses)
    assert isinstance(away, OpenAIResponses)
    assert (home.id, home._url, home._api_key) == ("openai:gpt-5.5", "https://api.openai.com/v1", KEY)
    assert (away.id, away._url, away._api_key) == (
        "openai:gpt-oss@http://localhost:8000/v1/",
        "http://localhost:8000/v1",
        "",
    )


def test_responses_of_openai_need_a_key() -> None:
    with pytest.raises(UsageError, match=r"openai:gpt-5\.5 needs an API key"):
        resolve("openai:gpt-5.5")


def test_a_key_that_is_given_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)

    assert chat("openai-chat:gpt-5.5", api_key="sk-given")._api_key == "sk-given"
    assert chat("openai-chat:m@https://gateway.example/v1", api_key="sk-given")._api_key == "sk-given"


def test_without_a_key_the_variable_and_the_demo_are_named() -> None:
    with pytest.raises(
        UsageError, match="needs an API key, and the environment variable OPENAI_API_KEY is not set"
    ) as e:
        resolve("openai-chat:gpt-5.5")

    assert "`captain demo`" in e.value.hint
    assert "`make demo`" in e.value.hint


def test_a_local_server_needs_no_key_and_has_no_price() -> None:
    model = chat("openai-chat:qwen3@http://localhost:8000/v1/")

    assert (model.id, model._url, model._api_key) == (
        "openai-chat:qwen3@http://localhost:8000/v1/",
        "http://localhost:8000/v1",
        "",
    )
    assert model.profile.pricing is None


def test_the_key_of_the_environment_does_not_go_to_a_url_in_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)

    assert chat("openai-chat:gpt-5.5@https://elsewhere.example/v1")._api_key == ""
    assert chat("openai-chat:gpt-5.5@http://api.openai.com/v1")._api_key == ""
    assert chat("openai-chat:gpt-5.5@https://api.openai.com/v1")._api_key == KEY


def test_the_environment_may_name_a_gateway_for_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", "https://gateway.example/v1")

    plain, named = chat("openai-chat:m"), chat("openai-chat:m@https://gateway.example/v2")

    assert (plain._url, plain._api_key) == ("https://gateway.example/v1", KEY)
    assert (named._url, named._api_key) == ("https://gateway.example/v2", KEY)


def claude(name: str, *, api_key: str | None = None) -> AnthropicMessages:
    model = resolve(name, api_key=api_key)
    assert isinstance(model, AnthropicMessages)
    return model


def test_anthropic_is_called_with_the_key_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)

    model = claude("anthropic:claude-opus-4-7")

    assert (model.id, model._url, model._api_key) == ("anthropic:claude-opus-4-7", "https://api.anthropic.com", KEY)
    assert model.profile.pricing == ("anthropic", "claude-opus-4-7")
    assert model.profile.context_tokens == 1_000_000
    assert claude("anthropic:claude-opus-4-7", api_key="sk-given")._api_key == "sk-given"


def test_anthropic_needs_a_key_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)

    with pytest.raises(UsageError, match="the environment variable ANTHROPIC_API_KEY is not set") as caught:
        resolve("anthropic:claude-opus-4-7")

    assert "`captain demo`" in caught.value.hint


def test_key_and_headers_of_the_environment_do_not_go_to_a_url_in_the_name_of_a_claude(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", "X-Gate: open\nnonsense")

    away, home = claude("anthropic:m@https://elsewhere.example/v1"), claude("anthropic:m")

    assert (away._url, away._api_key, away._headers) == ("https://elsewhere.example", "", {})
    assert (home._api_key, home._headers) == (KEY, {"X-Gate": "open"})
    assert claude("anthropic:m@http://localhost:1", api_key="sk-given")._api_key == "sk-given"


@pytest.mark.parametrize("scheme", ["openai", "openai-chat"])
def test_headers_of_the_environment_do_not_go_to_a_url_in_the_name_of_an_openai_model(
    scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Gate: open")

    away, home = resolve(f"{scheme}:m@https://elsewhere.example/v1"), resolve(f"{scheme}:m")

    assert isinstance(away, OpenAIChat | OpenAIResponses)
    assert isinstance(home, OpenAIChat | OpenAIResponses)
    assert (away._api_key, dict(away._headers)) == ("", {})
    assert dict(home._headers) == {"X-Gate": "open"}


def test_the_environment_may_name_a_gateway_for_the_key_of_a_claude(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "https://gateway.example/claude")

    assert (claude("anthropic:m")._url, claude("anthropic:m")._api_key) == ("https://gateway.example/claude", KEY)


@pytest.mark.parametrize(
    ("rest", "model", "url"),
    [
        ("claude@20250514@https://g.example", "claude@20250514", "https://g.example"),
        ("@cf/meta/llama@https://g.example/ai", "@cf/meta/llama", "https://g.example/ai"),
        ("qwen3:8b@http://[::1]:11434/v1", "qwen3:8b", "http://[::1]:11434/v1"),
    ],
)
def test_a_name_may_hold_what_servers_put_in_names(rest: str, model: str, url: str) -> None:
    made = chat(f"openai-chat:{rest}")

    assert (made._model, made._url) == (model, url)


@pytest.mark.parametrize(
    ("rest", "complaint"),
    [
        ("m@ftp://host/v1", "'ftp://host/v1' is not an http or https URL"),
        ("m@localhost:8000", "'localhost:8000' after the @ of an openai-chat model is not an http or https URL"),
        ("m@http://", "is not an http or https URL"),
        ("m@http://host:port/v1", "is not an http or https URL"),
        ("m@https://me:secret@host/v1", "The URL of host carries credentials"),
        ("m@https://host/v1?key=secret", "The URL of host carries credentials or a query"),
        ("http://host/v1", "begins with the model"),
        ("@http://host/v1", "begins with the model"),
    ],
)
def test_a_url_that_is_none_is_refused(rest: str, complaint: str) -> None:
    with pytest.raises(UsageError) as caught:
        resolve(f"openai-chat:{rest}", api_key="k")

    assert complaint in str(caught.value)
    assert "secret" not in f"{caught.value} {caught.value.hint}"
    assert caught.value.hint


async def test_a_script_and_a_recording_have_names(tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text('["Hi."]')
    scripted = resolve(f"scripted:{tmp_path}/s.json")
    recording = Recording(scripted, tmp_path / "kept")
    await complete(recording, ASK)

    replaying = resolve(f"replay:{tmp_path}/kept")

    assert isinstance(scripted, ScriptedModel)
    assert isinstance(replaying, Replaying)
    assert (await complete(replaying, ASK)).message.text == "Hi."


async def test_a_recording_of_several_models_is_named_with_one_of_them(tmp_path: Path) -> None:
    for name in ("crow", "parrot"):
        await complete(Recording(ScriptedModel([name], id=name), tmp_path), ASK)

    with pytest.raises(UsageError, match="holds recordings of 2 models") as caught:
        resolve(f"replay:{tmp_path}")

    assert f"replay:{tmp_path}#parrot" in caught.value.hint
    assert (await complete(resolve(f"replay:{tmp_path}#parrot"), ASK)).message.text == "parrot"
    with pytest.raises(UsageError, match="holds no recordings of 'owl'"):
        resolve(f"replay:{tmp_path}#owl")


@pytest.mark.parametrize("name", ["replay:{}/none", "scripted:{}/none.json", "replay:{}"])
def test_what_is_not_there_is_said(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError) as caught:
        resolve(name.format(tmp_path))

    assert str(tmp_path) in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("mistral:devstral", "openai-chat:devstral@URL"),
        ("claude-opus-4-7", "Did you mean anthropic:claude-opus-4-7?"),
        ("openai_chat:gpt-5.5", "Did you mean openai-chat:gpt-5.5?"),
        ("scriptd:a.json", "Did you mean scripted:a.json?"),
        ("gpt-5.5", "Did you mean openai:gpt-5.5?"),
        ("openai-chat:", "Known are openai:MODEL, "),
        ("zzz:x", ", scripted:FILE.json and replay:FOLDER."),
        ("", "Known are"),
    ],
)
def test_a_name_that_is_not_known_says_what_is(name: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        resolve(name)

    assert hint in caught.value.hint


def test_a_provider_that_comes_later_says_what_this_version_calls() -> None:
    with pytest.raises(UsageError, match="not one of the interfaces that this version calls"):
        resolve("gemini:gemini-3-pro")
