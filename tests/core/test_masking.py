"""Secrets are taken out of text in every form, and nothing else is."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import string
import uuid
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captain.core import key_shapes
from captain.core.masking import MASK, Masker, forms, is_worth_masking
from captain.core.messages import AssistantMessage, Opaque, Reply, Text, ToolCall
from captain.core.usage import Usage

SECRET = 'Zq8/+&"kW3é\\v1nT7~pL'
PLAIN = "hunter27battery9staple4"

keys = st.text(st.sampled_from(string.ascii_letters + string.digits + "/+&=~%_-."), min_size=12, max_size=40).filter(
    lambda key: is_worth_masking(key) and sum(c.isdigit() for c in key) > 2
)


def written(secret: str) -> dict[str, str]:
    """The same secret in the forms in which it turns up."""
    data = secret.encode()
    return {
        "raw": f"the key is {secret}.",
        "base64": base64.b64encode(data).decode(),
        "base64 behind one byte": base64.b64encode(b":" + data + b" and on").decode(),
        "base64 behind two bytes": base64.b64encode(b"u:" + data).decode(),
        "base64, URL-safe": base64.urlsafe_b64encode(b"user:" + data).decode().rstrip("="),
        "hex": data.hex(),
        "hex, upper case": data.hex().upper(),
        "hex with colons": data.hex(":"),
        "percent": "https://x.example/?k=" + quote(secret, safe=""),
        "percent, lower case": quote_plus(secret).replace("%2F", "%2f").replace("%2B", "%2b"),
        "JSON": json.dumps({"k": secret}),
        "JSON in JSON": json.dumps(json.dumps({"k": secret})),
        "JSON, not ASCII": json.dumps({"k": secret}, ensure_ascii=False),
        "repr of an error": repr(ValueError(f"bad key {secret}")),
        "reversed": secret[::-1],
        "HTML": html.escape(secret),
        "header": f"Authorization: Bearer {secret}",
        "URL": f"https://me:{quote(secret, safe='')}@host.example/x",
        "environment": f"HOME=/root\nMY_SETTING={secret}\nLANG=C",
        "lines of base64": base64.encodebytes(b"x" * 50 + data + b"y" * 80).decode(),
    }


def leaks(secret: str, text: str) -> list[str]:
    """The forms of a secret that are in a text, judged without the code under test."""
    data = secret.encode()
    joined = text + "\n" + "".join(text.split())
    looked_for = {
        "raw": secret,
        "reversed": secret[::-1],
        "hex": data.hex(),
        "HEX": data.hex().upper(),
        "percent": quote(secret, safe=""),
        "hex with colons": data.hex(":"),
        "percent, lower case": quote_plus(secret).replace("%2F", "%2f").replace("%2B", "%2b"),
        "json": json.dumps(secret)[1:-1],
        "json in json": json.dumps(json.dumps(secret)[1:-1])[1:-1],
        "json, not ascii": json.dumps(secret, ensure_ascii=False)[1:-1],
        "repr": repr(ValueError(secret))[12:-2],
        "html": html.escape(secret),
    }
    for before in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            cut = encode(b"\0" * before + data).decode().rstrip("=")
            looked_for[f"base64+{before} {encode.__name__}"] = cut[before + 1 : -2]
    return [name for name, form in looked_for.items() if form in joined]


@pytest.mark.parametrize("secret", [SECRET, PLAIN])
@pytest.mark.parametrize("form", written(SECRET))
def test_a_known_value_is_masked_in_every_form(secret: str, form: str) -> None:
    text = written(secret)[form]

    masked = Masker([secret]).mask(text)

    assert leaks(secret, text)
    assert not leaks(secret, masked)
    assert MASK in masked


@given(keys, st.binary(max_size=5), st.binary(max_size=5))
def test_no_form_of_any_key_is_left_whatever_stands_around_it(key: str, before: bytes, after: bytes) -> None:
    masker = Masker([key])
    for text in (*written(key).values(), base64.b64encode(before + key.encode() + after).decode()):
        assert not leaks(key, masker.mask(text))


@given(keys, st.data())
def test_a_secret_over_any_borders_of_pieces_is_masked(key: str, data: st.DataObject) -> None:
    text = "".join(f"{'word ' * 700}{form}\n" for form in list(written(key).values())[:8])
    borders = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=30)))
    stream = Masker([key]).stream()

    said = [stream.feed(text[a:b]) for a, b in zip([0, *borders], [*borders, len(text)], strict=True)]
    masked = "".join([*said, stream.close()])

    assert not leaks(key, masked)
    assert masked == Masker([key]).mask(text)


def test_a_stream_says_what_it_can_before_its_end() -> None:
    stream = Masker([PLAIN]).stream()

    said = stream.feed("a line\n" * 2000)

    assert len(said) > 10_000
    assert said + stream.close() == "a line\n" * 2000


def test_a_private_key_in_many_pieces_is_masked() -> None:
    body = base64.encodebytes(bytes(range(256)) * 6).decode()
    key = f"-----BEGIN RSA PRIVATE KEY-----\n{body}-----END RSA PRIVATE KEY-----\n"
    stream = Masker().stream()
    text = "before\n" * 600 + key + "after\n" * 600

    masked = "".join([*(stream.feed(text[at : at + 97]) for at in range(0, len(text), 97)), stream.close()])

    assert masked == "before\n" * 600 + f"{MASK}\n" + "after\n" * 600


def test_a_named_value_is_masked_by_its_name() -> None:
    assert Masker(named={"MY_KEY": PLAIN}).mask(f"it is {PLAIN}!") == "it is [secret:MY_KEY]!"


def test_what_is_secret_of_a_header_a_url_or_lines_is_found_alone() -> None:
    headers = f"X-Route: eu-1\nX-Auth: {PLAIN}"
    masker = Masker(
        named={"HEADERS": headers, "URL": "redis://u:0penSesame77@h:1/2", "AUTH": "Bearer tok3nWith9Digits"}
    )

    masked = masker.mask(f"{PLAIN} / 0penSesame77 / tok3nWith9Digits")

    assert masked == "[secret:HEADERS] / [secret:URL] / [secret:AUTH]"


@pytest.mark.parametrize(
    "value", ["", "true", "a1b2c3d", "password", "not-needed", "dummy key", "aaaaaaaaaa", "12345678"]
)
def test_what_is_short_or_a_word_is_no_secret(value: str) -> None:
    assert Masker([value]).mask(f"x {value} y") == f"x {value} y"


R = "aB3dE9xQ7zK1mN5pR8tV2wY4bC6fG0hJ"
KEYS = {
    "OpenAI": f"sk-proj-{R}",
    "Anthropic": f"sk-ant-api03-{R}_x-{R}",
    "GitHub": f"ghp_{R}abcd",
    "GitHub, fine-grained": f"github_pat_11A{R}_{R}",
    "Slack": "xoxb-123456789012-abcdefABCDEF",
    "AWS": "AKIAIOSFODNN7EXAMPLE",
    "Google": f"AIza{R}abc",
    "JWT": f"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.{R}",
}


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize("around", ["{}", "x={}\n", '"{}"', "\\n{}\\n", "({})"])
def test_keys_are_found_by_their_shape(name: str, around: str) -> None:
    masked = Masker().mask(around.replace("{}", KEYS[name]))

    assert masked == around.replace("{}", MASK)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (f"Authorization: Bearer {R}", "Authorization: Bearer [secret]"),
        ('"authorization": "Basic dXNlcjpwYXNzd29yZA=="', '"authorization": "Basic [secret]"'),
        ("git clone https://me:tr0ub4dor@host.example/x.git", "git clone https://me:[secret]@host.example/x.git"),
        (f"https://{R}@host.example/x.git", "https://[secret]@host.example/x.git"),
        (f"export SERVICE_KEY={R}", "export SERVICE_KEY=[secret]"),
        (f"AWS_SECRET_ACCESS_KEY={R}/{R[:6]}", "AWS_SECRET_ACCESS_KEY=[secret]"),
        (f"DEPLOY_TOKEN={R}", "DEPLOY_TOKEN=[secret]"),
        (f"api_key = '{R}'", "api_key = '[secret]'"),
        (f'{{"client_secret": "{R}"}}', '{"client_secret": "[secret]"}'),
        (f'{{\\"token\\": \\"{R}\\"}}', '{\\"token\\": \\"[secret]\\"}'),
        ("DB_PASSWORD=9f86d081884c7d659a2feaa0c55ad015", "DB_PASSWORD=[secret]"),
    ],
)
def test_headers_urls_and_assignments_lose_their_value_alone(text: str, masked: str) -> None:
    assert Masker().mask(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        f"commit {hashlib.sha1(b'x', usedforsecurity=False).hexdigest()}",
        f"sha256:{hashlib.sha256(b'x').hexdigest()}",
        f"key = {uuid.UUID(int=2**100 + 12345)}",
        f'cache_key = "{hashlib.md5(b"x", usedforsecurity=False).hexdigest()}"',
        f"password_sha256: {hashlib.sha256(b'x').hexdigest()}",
        "token = parse_token_v2_from_header(request1)",
        "max_tokens=128000, output_tokens = usage.output_tokens_2024",
        "KEY_LEFT=0x25, KEYS = sorted_keys_of_table_2",
        'password = os.environ["PASSWORD"]',
        "postgres://user:password@localhost/db and http://u:{password}@h and http://u:$PASS@h",
        "-----BEGIN PRIVATE KEY-----\" in text and '-----END PRIVATE KEY-----' in text",
        "class sk-fading-circle-12 and sk-estimator-doc-link",
        "secretary: a-long-name-without-digits",
        "s3cr3t",
    ],
)
def test_ids_hashes_names_and_ordinary_code_stay(text: str) -> None:
    assert Masker().mask(text) is text


def test_the_projects_own_sources_hold_next_to_nothing_that_looks_like_a_key() -> None:
    root = Path(key_shapes.__file__).parents[1]
    found = [
        (path.name, path.read_text("utf-8")[start:end])
        for path in root.rglob("*.py")
        for start, end in key_shapes.spans(path.read_text("utf-8"))
    ]

    assert found == []


@given(st.text())
def test_masking_twice_changes_nothing(text: str) -> None:
    masker = Masker([PLAIN], named={"NAME_KEY": SECRET})
    once = masker.mask(f"{text} TOKEN={R} {PLAIN} NAME_KEY={SECRET}{text}")

    assert masker.mask(once) == once


@dataclass(frozen=True, slots=True, kw_only=True)
class Nested:
    name: str
    lines: tuple[str, ...]
    more: dict[str, list[object]]


def test_values_are_masked_at_any_depth_and_stay_the_same_object_without_secrets() -> None:
    clean = Nested(name="a", lines=("b",), more={"c": ["d", 1, None, 2.5]})
    masker = Masker([PLAIN])

    masked = masker.value(Nested(name="a", lines=("b", PLAIN), more={"c": [f"-{PLAIN}-", Path("/x")]}))

    assert masked == Nested(name="a", lines=("b", MASK), more={"c": [f"-{MASK}-", Path("/x")]})
    assert masker.value(clean) == clean
    assert masker.value(clean.lines) is clean.lines


def test_a_vendors_own_form_of_a_masked_part_is_dropped_and_others_are_kept() -> None:
    said = Text(text=f"It is {PLAIN}.", opaque=Opaque(provider="p", data=json.dumps({"text": PLAIN})))
    silent = Text(text="", opaque=Opaque(provider="p", data=json.dumps({"hidden": PLAIN})))
    signed = ToolCall(id="1", name="x", arguments="{}", opaque=Opaque(provider="p", data='{"signature": "abc"}'))
    reply = Reply(message=AssistantMessage(parts=(said, silent, signed)), stop="end", usage=Usage(), model="m")

    parts = Masker([PLAIN]).value(reply).message.parts

    assert parts == (Text(text=f"It is {MASK}."), Text(text=""), signed)


def test_no_form_is_so_short_that_it_hits_by_chance() -> None:
    assert min(map(len, forms("a1b2c3d4"))) >= 8
