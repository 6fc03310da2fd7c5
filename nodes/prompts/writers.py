"""What may extend a prompt: a language model on this machine, or one behind an OpenAI-compatible endpoint.

Both are recipes: a workflow says which model, the worker opens it. A pack of its own may add another by
subclassing `PromptWriter`. Without a writer, prompts are extended by rules (`prompts/complete`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from graphflow.endpoint import Endpoint, ask_json, key_for, parse_endpoint
from graphflow.errors import MissingModel, NodeError
from graphflow.node import Origin, node
from graphflow.values import PLACEMENT, Recipe

WHOLE_BYTES = 16_000_000
"""Files up to this size are hashed whole; of larger ones the first bytes, the size and the time of change."""


@dataclass(frozen=True)
class Request:
    """What a writer is asked."""

    system: str
    text: str
    max_tokens: int
    temperature: float
    """0 takes the most likely word every time."""
    seed: int


Check = Callable[[], None]
"""A cancel point."""

Write = Callable[[Request, Check], str]
"""What an opened writer is: a request to its answer."""


class PromptWriter(Recipe):
    """Something that rewrites prompts. `open` gives a `Write`."""

    def called(self) -> str:
        """How records name it."""
        return type(self).__name__

    def origins(self) -> tuple[Origin, ...]:
        return (Origin(self.called()),)


class LocalWriter(PromptWriter):
    """A causal language model in transformers layout. Only `identity` and the dtype count for keys."""

    model: str
    revision: str | None = None
    identity: str
    dtype: Literal["float32", "bfloat16", "float16"] = "bfloat16"

    def key_fields(self) -> dict[str, Any]:
        return {"identity": self.identity, "dtype": self.dtype}

    def called(self) -> str:
        return f"local:{self.model}"

    def origins(self) -> tuple[Origin, ...]:
        return (Origin(self.model, self.identity),)

    def memory_bytes(self) -> int:
        try:
            folder = locate(self.model, self.revision)
        except MissingModel:
            return 0
        return sum(path.stat().st_size for path in folder.glob("*.safetensors"))

    def open(self, device: str) -> Write:
        """Load tokenizer and weights; only safetensors, never code from the model's folder."""
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        folder = locate(self.model, self.revision)
        try:
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
            model: Any = AutoModelForCausalLM.from_pretrained(
                folder,
                dtype=getattr(torch, self.dtype),
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,
            )
        except (OSError, ValueError, KeyError) as error:
            raise MissingModel(
                f"language model {self.model!r} cannot be loaded: {error}",
                hint="give a causal language model in transformers layout with safetensors weights",
            ) from error
        return _Local(tokenizer, model.to(device).eval(), device)


class RemoteWriter(PromptWriter):
    """A model behind an OpenAI-compatible endpoint. The key is never part of it."""

    endpoint: str
    model: str
    timeout: Annotated[float, Field(gt=0, le=3600), PLACEMENT] = 60.0

    def called(self) -> str:
        return f"remote:{self.endpoint}:{self.model}"

    def open(self, device: str) -> Write:
        """Raises ResourceError if the environment has no key for the endpoint's host."""
        endpoint = parse_endpoint(self.endpoint)
        return _Remote(endpoint, key_for(endpoint), self.model, self.timeout)


@node("prompts/local_writer", fold=True)
def local_writer(
    *,
    model: Annotated[str, Field(min_length=1)],
    revision: str | None = None,
    dtype: Literal["float32", "bfloat16", "float16"] = "bfloat16",
) -> LocalWriter:
    """A language model on this machine that extends prompts.

    model: a folder in transformers layout, or a hub repository `owner/name` that is in the cache already;
    nothing is downloaded. Raises MissingModel if it is not here.
    """
    folder = locate(model, revision)
    return LocalWriter(model=model, revision=revision, dtype=dtype, identity=_identity(folder))


@node("prompts/remote_writer", fold=True)
def remote_writer(
    *,
    endpoint: Annotated[str, Field(min_length=1)],
    model: Annotated[str, Field(min_length=1)],
    timeout: Annotated[float, Field(gt=0, le=3600)] = 60.0,
) -> RemoteWriter:
    """A language model behind an OpenAI-compatible endpoint that extends prompts.

    Prompts are sent there. endpoint: the base address, such as `https://api.example.com/v1`; https, or http
    on this machine only.
    It is off until the environment holds a key for that very host: GRAPHFLOW_KEY_API_EXAMPLE_COM here,
    GRAPHFLOW_KEY_LOCALHOST for this machine. timeout: seconds for a whole answer.
    Raises NodeError for an address that is not allowed.
    """
    parse_endpoint(endpoint)
    return RemoteWriter(endpoint=endpoint, model=model, timeout=timeout)


def locate(model: str, revision: str | None = None) -> Path:
    """The folder of a language model. Raises MissingModel if it is not on this machine."""
    folder = Path(model).expanduser()
    if (folder / "config.json").is_file():
        return folder.resolve()
    if model.count("/") == 1 and not folder.exists():
        import huggingface_hub
        from huggingface_hub.errors import HFValidationError

        try:
            found = huggingface_hub.try_to_load_from_cache(model, "config.json", revision=revision)
        except HFValidationError:
            found = None
        if isinstance(found, str):
            return Path(found).parent
    raise MissingModel(
        f"language model {model!r} is not on this machine",
        hint=f"run 'hf download {model}', or give a folder with a config.json",
    )


def _identity(folder: Path) -> str:
    """What is in the folder: the commit of a hub snapshot, else a hash over its files."""
    if folder.parent.name == "snapshots":
        return f"{folder.parent.parent.name}@{folder.name}"
    digest = hashlib.sha256()
    for path in sorted(
        p for p in folder.iterdir() if p.suffix in (".json", ".safetensors", ".model", ".jinja")
    ):
        state = path.stat()
        with path.open("rb") as file:
            content = hashlib.sha256(file.read(WHOLE_BYTES)).hexdigest()
        changed = state.st_mtime_ns if state.st_size > WHOLE_BYTES else 0
        digest.update(f"{path.name}\0{state.st_size}\0{changed}\0{content}\0".encode())
    return f"sha256:{digest.hexdigest()}"


class _Local:
    """A loaded language model."""

    def __init__(self, tokenizer: Any, model: Any, device: str) -> None:
        self.tokenizer, self.model, self.device = tokenizer, model, device

    def __call__(self, request: Request, check: Check) -> str:
        import torch
        from transformers import StoppingCriteria, StoppingCriteriaList

        class Cancel(StoppingCriteria):
            def __call__(self, ids: Any, scores: Any, **rest: Any) -> Any:
                check()
                return torch.zeros(len(ids), dtype=torch.bool, device=ids.device)

        inputs = self._tokens(request).to(self.device)
        sampling: dict[str, Any] = {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}
        if request.temperature > 0:
            sampling = {"do_sample": True, "temperature": request.temperature, "top_p": None, "top_k": None}
        with torch.inference_mode(), _seeded(request.seed):
            out = self.model.generate(
                **inputs,
                **sampling,
                max_new_tokens=request.max_tokens,
                pad_token_id=self.tokenizer.pad_token_id or self.tokenizer.eos_token_id,
                stopping_criteria=StoppingCriteriaList([Cancel()]),
            )
        text: str = self.tokenizer.decode(out[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
        return text

    def _tokens(self, request: Request) -> Any:
        if self.tokenizer.chat_template:
            messages = [
                {"role": "system", "content": request.system},
                {"role": "user", "content": request.text},
            ]
            return self.tokenizer.apply_chat_template(
                messages, add_generation_prompt=True, return_tensors="pt", return_dict=True
            )
        plain = f"{request.system}\n\nPrompt: {request.text}\n\nRewritten prompt:"
        return self.tokenizer(plain, return_tensors="pt", return_token_type_ids=False)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """transformers draws from torch's global generator; it is put back afterwards."""
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


class _Remote:
    """An endpoint with its key."""

    def __init__(self, endpoint: Endpoint, key: str, model: str, timeout: float) -> None:
        self._endpoint, self._key, self._model, self._timeout = endpoint, key, model, timeout

    def __call__(self, request: Request, check: Check) -> str:
        body = {
            "model": self._model,
            "messages": [
                {"role": "system", "content": request.system},
                {"role": "user", "content": request.text},
            ],
            "temperature": request.temperature,
            "max_tokens": request.max_tokens,
            "seed": request.seed,
            "stream": False,
        }
        answer = ask_json(
            self._endpoint, self._key, "/chat/completions", body, timeout=self._timeout, check=check
        )
        try:
            text = answer["choices"][0]["message"]["content"]
        except (KeyError, IndexError, TypeError):
            text = None
        if not isinstance(text, str):
            raise NodeError(
                f"{self._endpoint.host} answered without a text",
                hint="the endpoint must speak the OpenAI chat completions format",
            )
        return text
