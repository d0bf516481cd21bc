from __future__ import annotations

import subprocess
import sys

import captain.models
from captain.models import OpenAIChat, ScriptedModel, resolve


def test_the_package_shows_what_it_promises() -> None:
    promised = {
        "Model", "Profile", "complete", "ScriptedModel", "ScriptedReply", "call", "load_script",
        "Recording", "Replaying", "OpenAIChat", "OpenAIResponses", "AnthropicMessages", "cost_usd", "resolve",
        "outfit", "Metered", "CallRecord", "Latency", "Percentiles", "Fallback", "Switched", "Retrying", "Retry",
        "Waiting", "Hedged", "Hedge", "Limited", "RateGate", "reply_cost_usd", "Outfitter", "secrets_of",
    }  # fmt: skip

    assert set(captain.models.__all__) == promised
    assert callable(resolve)


def test_importing_it_loads_nothing_heavy() -> None:
    heavy = {"openai", "anthropic", "pydantic", "httpx2", "genai_prices", "aiohttp", "tenacity"}
    program = (
        "import sys, captain.models as models\n"
        "models.OpenAIChat('m', base_url='http://localhost:1/v1'); models.outfit(models.ScriptedModel([]))\n"
        f"print(sorted(set(sys.modules) & {heavy!r}))"
    )

    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert ran.stdout == "[]\n"


def test_models_show_no_more_than_they_need_to() -> None:
    model = OpenAIChat("m", base_url="http://localhost:1/v1", api_key="sk-secret", headers={"X-Key": "hidden-too"})

    assert repr(model) == "OpenAIChat('m', base_url='http://localhost:1/v1')"
    assert repr(ScriptedModel([], id="parrot")) == "ScriptedModel(id='parrot')"
