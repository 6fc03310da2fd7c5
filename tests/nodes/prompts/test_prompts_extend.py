"""Prompt extension: by rules, by a tiny language model on this machine, by an endpoint."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from graphflow_nodes.prompts import extend, local_writer, remote_writer
from graphflow_nodes.prompts.extend import instructions, tidy
from graphflow_nodes.prompts.styles import STYLES
from graphflow_nodes.prompts.writers import LocalWriter, PromptWriter, RemoteWriter, Request

from graphflow.errors import Cancelled, MissingModel, NodeError, ResourceError
from graphflow.keys import canon
from graphflow.testing import LocalContext, run_node
from graphflow.values import decode, encode
from tests.support.prompt_values import BEACH


class Parrot(PromptWriter):
    """A writer of a pack of its own: answers with what it is told to."""

    says: str

    def open(self, device: str) -> Any:
        return lambda request, check: self.says


def test_rules_need_no_model_and_are_the_same_everywhere() -> None:
    found = run_node(extend, "a red ball rolls", style="wan")
    assert found.text == "Day time, Wide shot, Center composition, Soft lighting. A red ball rolls."
    assert found.record.writer == "rules" and found.record.source == "a red ball rolls"
    assert found.record.text == found.text
    assert run_node(extend, BEACH, style="wan").text.startswith("Sunset time, Medium shot")


def test_any_writer_can_be_wired() -> None:
    found = run_node(extend, BEACH, Parrot(says='  "Waves   roll\nin."  '), style="ltx")
    assert found.text == "Waves roll in."
    record = found.record
    assert record.writer == "Parrot" and record.answer == '  "Waves   roll\nin."  '
    assert STYLES["ltx"].advice["text_to_video"] in record.instructions
    assert "red coat" in record.source and '"Come here!"' in record.source
    assert decode(*encode(record)) == record


def test_an_answer_is_kept_within_the_familys_limit() -> None:
    long = "The ball rolls on. " * 200
    assert len(run_node(extend, "a ball", Parrot(says=long), style="wan").text.split()) == 200
    assert len(run_node(extend, "a ball", Parrot(says=long), style="wan", max_words=9).text.split()) == 8


def test_the_trigger_is_not_lost_and_not_told_to_the_model() -> None:
    prompt = BEACH.model_copy(update={"trigger": "SQUISH"})
    found = run_node(extend, prompt, Parrot(says="A hand presses."))
    assert found.text == "SQUISH A hand presses." and "SQUISH" not in found.record.source


def test_a_prompt_that_is_long_enough_is_left_to_the_rules() -> None:
    long = " ".join(["ball"] * 121)
    assert run_node(extend, long, Parrot(says="no"), style="ltx").record.writer == "rules"
    assert run_node(extend, long, Parrot(says="yes"), style="wan").text == "yes"


def test_a_writer_says_what_its_texts_are_owed_to() -> None:
    assert LocalWriter(model="a/b", identity="x").origins()[0].name == "a/b"
    (origin,) = RemoteWriter(endpoint="https://h/v1", model="m").origins()
    assert origin.name == "remote:https://h/v1:m" and origin.licence == ""


def test_an_empty_answer_is_an_error() -> None:
    with pytest.raises(NodeError, match="answered with nothing"):
        run_node(extend, "a ball", Parrot(says=' "" '))


@pytest.mark.parametrize(
    "answer", ["```text\nA ball.\n```", '"A ball."', "\u201cA ball.\u201d", " A\n ball. "]
)
def test_what_is_wrapped_around_an_answer_is_taken_off(answer: str) -> None:
    assert tidy(answer) == "A ball."


def test_instructions_say_the_familys_length() -> None:
    assert "60 to 200 words" in instructions("wan", "text_to_video", 200, "en")
    told = instructions("wan", "image_to_video", 100, "de")
    assert "at most 100 words" in told and "first picture" in told and "'de'" in told


# ------------------------------------------------------------------------------------ on this machine


@pytest.fixture(scope="module")
def language_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random language model of a few kilobytes with a byte-level tokenizer and a chat template."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("writer")
    words = ["<s>", "</s>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokenizer = Tokenizer(models.BPE(vocab={word: i for i, word in enumerate(words)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>")
    fast.chat_template = "{% for m in messages %}{{ m.content }}\n{% endfor %}"
    fast.save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(words),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=4096,
        bos_token_id=0,
        eos_token_id=1,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def request(**changes: Any) -> Request:
    return Request(
        **{"system": "s", "text": "a ball", "max_tokens": 12, "temperature": 0.0, "seed": 0, **changes}
    )


def test_a_local_model_writes_the_same_again_and_else_with_another_seed(
    language_model: Path,
) -> None:
    writer = run_node(local_writer, model=str(language_model), dtype="float32")
    assert writer.memory_bytes() > 0
    write = writer.open("cpu")

    def ask(**changes: Any) -> str:
        text: str = write(request(**changes), lambda: None)
        return text

    assert ask() == ask() != ""
    assert ask(text="a box") != ask()
    warm = {seed: ask(temperature=1.5, seed=seed) for seed in (1, 2)}
    assert warm[1] != warm[2] and warm[1] == ask(temperature=1.5, seed=1)


def test_a_local_model_leaves_torchs_random_numbers_alone(language_model: Path) -> None:
    import torch

    write = run_node(local_writer, model=str(language_model), dtype="float32").open("cpu")
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    write(request(temperature=1.0), lambda: None)
    assert torch.equal(torch.rand(3), expected)


def test_a_local_model_extends_a_prompt(language_model: Path) -> None:
    writer = run_node(local_writer, model=str(language_model), dtype="float32")
    found = run_node(extend, "a ball", writer, max_words=4)
    assert found.record.writer == f"local:{language_model}" and found.text


def test_a_cancel_stops_a_local_model_between_words(language_model: Path) -> None:
    writer = run_node(local_writer, model=str(language_model), dtype="float32")
    with pytest.raises(Cancelled):
        run_node(extend, "a ball", writer, context=LocalContext(cancel_after=3))


def test_a_local_model_is_known_by_its_content(language_model: Path, tmp_path: Path) -> None:
    writer = run_node(local_writer, model=str(language_model))
    other = tmp_path / "copy"
    other.mkdir()
    for file in language_model.iterdir():
        (other / file.name).write_bytes(file.read_bytes())
    assert canon(run_node(local_writer, model=str(other))) == canon(writer)
    (other / "config.json").write_text("{}")
    assert canon(run_node(local_writer, model=str(other))) != canon(writer)


def test_a_model_that_is_not_here_is_missed_while_planning(tmp_path: Path) -> None:
    for name in ("nobody/no-such-model", str(tmp_path), "../..", "a b/c"):
        with pytest.raises(MissingModel) as caught:
            run_node(local_writer, model=name)
        assert caught.value.hint
    (tmp_path / "config.json").write_text('{"model_type": "no such thing"}')
    with pytest.raises(MissingModel, match="cannot be loaded"):
        run_node(local_writer, model=str(tmp_path)).open("cpu")
    assert LocalWriter(model="nobody/none", identity="x").memory_bytes() == 0


# ----------------------------------------------------------------------------------------- an endpoint


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, list[Any]]]:
    """A server that speaks the OpenAI format, and what it was asked."""
    asked: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            text = None if asked[-1]["model"] == "broken" else "A ball rolls over the long table."
            body = json.dumps({"choices": [{"message": {"role": "assistant", "content": text}}]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *parts: object) -> None:
            pass

    monkeypatch.setenv("GRAPHFLOW_KEY_LOCALHOST", "test-key")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1", asked
        server.shutdown()
        thread.join()


def test_an_endpoint_extends_a_prompt(endpoint: tuple[str, list[Any]]) -> None:
    address, asked = endpoint
    writer = run_node(remote_writer, endpoint=address, model="small")
    found = run_node(extend, "a ball", writer, style="wan", temperature=0.5, seed=7)
    assert found.text == "A ball rolls over the long table."
    assert found.record.writer == f"remote:{address}:small"
    (body,) = asked
    assert body["model"] == "small" and body["seed"] == 7 and body["temperature"] == 0.5
    assert [message["role"] for message in body["messages"]] == ["system", "user"]
    assert body["messages"][1]["content"] == "a ball"


def test_an_answer_without_text_is_an_error(endpoint: tuple[str, list[Any]]) -> None:
    writer = run_node(remote_writer, endpoint=endpoint[0], model="broken")
    with pytest.raises(NodeError, match="without a text"):
        run_node(extend, "a ball", writer)


def test_an_endpoint_is_off_without_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GRAPHFLOW_KEY_API_EXAMPLE_COM", raising=False)
    writer = run_node(remote_writer, endpoint="https://api.example.com/v1", model="m")
    with pytest.raises(ResourceError, match=r"no key for api\.example\.com"):
        run_node(extend, "a ball", writer)


def test_a_bad_address_is_refused_while_planning() -> None:
    with pytest.raises(NodeError, match="without encryption"):
        run_node(remote_writer, endpoint="http://api.example.com", model="m")


def test_patience_is_placement() -> None:
    """Waiting longer never asks again."""
    patient = RemoteWriter(endpoint="https://h/v1", model="m", timeout=600.0)
    assert canon(patient) == canon(RemoteWriter(endpoint="https://h/v1", model="m"))
