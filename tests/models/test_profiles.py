from __future__ import annotations

import pytest
from genai_prices.data_snapshot import get_snapshot

from captain.models.families_gpt import FAMILIES
from captain.models.profiles import profile_of

NO_TEXT_MODELS = ("audio", "realtime", "transcribe", "tts", "image", "live", "vision", "embedding", "computer-use")


def listed(provider: str) -> dict[str, int]:
    """Context windows by model, of the price list."""
    models = next(known for known in get_snapshot().providers if known.id == provider).models
    return {
        model.id: model.context_window
        for model in models
        if model.context_window is not None and not any(word in model.id for word in NO_TEXT_MODELS)
    }


@pytest.mark.parametrize(("model", "window"), listed("openai").items())
def test_context_windows_of_openai_agree_with_the_price_list(model: str, window: int) -> None:
    profile = profile_of(model, host="api.openai.com")

    assert profile.context_tokens == window
    assert profile.output_tokens is None or profile.output_tokens <= window


@pytest.mark.parametrize("model", listed("openai"))
def test_every_text_model_of_openai_s_price_list_is_known(model: str) -> None:
    assert profile_of(model, host="").note == "" or model in ("gpt-3.5-turbo-16k", "gpt-3.5-turbo-instruct")


@pytest.mark.parametrize("model", [name for name in FAMILIES if name.startswith(("gpt-5", "gpt-6"))])
def test_later_gpt_models_edit_by_patch_see_pictures_and_promise_schemas(model: str) -> None:
    profile = profile_of(model, host="api.openai.com")

    assert profile.edit_dialect == "patch"
    assert profile.images
    assert "application/pdf" in profile.file_types
    assert profile.schemas == "strict"
    assert profile.cache == "automatic"
    assert profile.system_role == "developer"
    assert profile.pricing == ("openai", model)


@pytest.mark.parametrize(
    ("model", "efforts"),
    [
        ("gpt-5", "minimal low medium high"),
        ("gpt-5-pro", "high"),
        ("gpt-5.1", "none low medium high"),
        ("gpt-5.3-codex", "low medium high xhigh"),
        ("gpt-5.4", "none low medium high xhigh"),
        ("gpt-5.4-mini-2026-03-17", "none low medium high xhigh"),
        ("gpt-5.5", "none low medium high xhigh"),
        ("gpt-5.5-pro", "medium high xhigh"),
        ("gpt-5.6-sol", "none low medium high xhigh"),
        ("o4-mini", "low medium high"),
        ("gpt-4.1", ""),
    ],
)
def test_each_model_takes_its_own_efforts(model: str, efforts: str) -> None:
    assert profile_of(model, host="").efforts == tuple(efforts.split())


@pytest.mark.parametrize(
    ("name", "same"),
    [
        ("openai/gpt-5.5", "gpt-5.5"),
        ("GPT-5-5", "gpt-5.5"),
        ("gpt-5-5-2026-04-23", "gpt-5.5"),
        ("gpt-5.5-2026-04-23", "gpt-5.5"),
        ("gpt-5-2025-08-07", "gpt-5"),
        ("gpt-5-chat-latest", "gpt-5-chat"),
        ("gpt-4-0613", "gpt-4"),
        ("ft:gpt-4o-2024-08-06:team::id", "gpt-4o"),
        ("anthropic/claude-opus-4.7", "claude-opus-4-7"),
    ],
)
def test_a_model_has_one_profile_however_its_name_is_written(name: str, same: str) -> None:
    assert profile_of(name, host="") == profile_of(same, host="")
    assert profile_of(name, host="").note == ""


@pytest.mark.parametrize(
    ("model", "family"),
    [("gpt-7", "gpt"), ("gpt-5.5-thinker", "gpt-5"), ("o3-ultra", "o-series"), ("claude-9", "claude")],
)
def test_a_model_that_is_not_known_gets_what_its_family_has_and_a_note(model: str, family: str) -> None:
    profile = profile_of(model, host="")

    assert profile.family == family
    assert profile.images
    assert profile.context_tokens
    assert profile.note.startswith(f"{model} is not a model Captain knows")


def test_a_model_of_no_known_family_is_trusted_with_little() -> None:
    profile = profile_of("somebody/llama-next", host="")

    assert (profile.family, profile.images, profile.efforts, profile.context_tokens) == ("unknown", False, (), None)
    assert profile.note.startswith("Nothing is known about somebody/llama-next")


def test_names_of_open_models_say_too_much_to_be_listed() -> None:
    assert profile_of("qwen3-coder-30b-a3b-instruct-q4", host="").note == ""
    assert profile_of("gpt-oss-120b", host="").family == "gpt-oss"
