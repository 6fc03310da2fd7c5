"""Steps of a LoRA's training by the node against a bare PyTorch loop over the same model, data and optimiser.

    python -m benchmarks.training                 # the embedded model
    python -m benchmarks.training --steps 40 --rounds 7

The bare loop is what one would write for this one model: fixed embeddings, noise, forward, loss, backward,
step. Both train in turns in one process, from the same weights; the ratio is the median of the rounds' own
ratios, so that a machine that is slow for a while is slow on both sides. Both draw noise and batches anew
for every step. The second figure is what encoding a clip costs against a script that
does the same with the frames.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from graphflow_nodes.diffusion import encode_prompt, load_model
from graphflow_nodes.toyworld import effect_clip
from graphflow_nodes.training import encode_clip, settings, train_lora
from graphflow_nodes.training.adapters import learning
from graphflow_nodes.training.values import TrainSettings

from graphflow.node import State
from graphflow.testing import LocalContext, run_node

CLIPS = 16


class Quiet(LocalContext):
    """A context that asks for no states; models it has opened stay open."""

    def checkpoint(self, make: Callable[[], State]) -> None:
        self.check()


def bare(module: Any, how: TrainSettings, latents: Any, embeds: Any, seed: int) -> None:
    """The training loop as a script for one model has it. latents, embeds: of all clips, first dimension
    clips."""
    with learning(module, how, seed) as named, torch.enable_grad():
        parameters = [one for _, one in named]
        optimiser = torch.optim.AdamW(parameters, lr=how.rate, betas=how.betas, weight_decay=how.weight_decay)
        for step in range(how.steps):
            picked = torch.randperm(len(latents))[: how.batch]
            clean, noise = latents[picked], torch.randn(how.batch, *latents.shape[1:])
            level = torch.sigmoid(torch.randn(how.batch))
            level = how.shift * level / (1 + (how.shift - 1) * level)
            part = level[:, None, None, None, None]
            said = module(
                hidden_states=(1 - part) * clean + part * noise,
                timestep=level * 1000,
                encoder_hidden_states=embeds[picked],
                return_dict=False,
            )[0]
            loss = (said - (noise - clean)).square().mean()
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, how.clip)
            for group in optimiser.param_groups:
                group["lr"] = how.rate * (1 - step / how.steps)
            optimiser.step()


def timed(work: Callable[[], Any]) -> float:
    """CPU seconds."""
    start = time.process_time()
    work()
    return time.process_time() - start


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--steps", type=int, default=30)
    asked.add_argument("--rounds", type=int, default=5)
    options = asked.parse_args()
    torch.set_num_threads(1)
    model, context = run_node(load_model), Quiet()
    pairs = [run_node(effect_clip, seed=seed) for seed in range(CLIPS)]
    latents = [run_node(encode_clip, model.vae, pair.video, context=context) for pair in pairs]
    prompts = [
        run_node(encode_prompt, model.text_encoder, prompt=pair.caption, context=context) for pair in pairs
    ]
    how = run_node(settings, preset="toy", steps=options.steps, batch=8, focus=1.0, warmup=0)
    clean = torch.cat([one.samples for one in latents])
    embeds = torch.cat([one.tensors["prompt_embeds"] for one in prompts])
    given = (model.denoiser, latents, prompts, how)
    with context.use(model.denoiser) as experts:
        module = experts.transformer
    sides: dict[str, Callable[[], Any]] = {
        "bare": lambda: bare(module, how, clean, embeds, 0),
        "node": lambda: run_node(train_lora, *given, context=context),
    }
    times: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(options.rounds + 1):
        for name in [*sides][:: 1 if number % 2 else -1]:
            spent = timed(sides[name])
            if number:  # the first round warms up
                times[name].append(spent / options.steps * 1000)
    ratio = statistics.median(b / a for a, b in zip(times["bare"], times["node"], strict=True))
    print(f"{'training step, batch 8':30}{'CPU ms, median':>16}{'to bare':>10}")
    for name, spent in times.items():
        print(f"{name:30}{statistics.median(spent):16.1f}{ratio if name == 'node' else 1.0:10.3f}")
    encoding(model.vae, pairs, context)


def encoding(vae: Any, pairs: list[Any], context: LocalContext) -> None:
    """A clip's frames to normalised latents by the node against a script for this one model."""
    with context.use(vae) as live, torch.no_grad():
        shape = (1, -1, 1, 1, 1)
        mean = torch.tensor(live.config.latents_mean).view(shape)
        spread = torch.tensor(live.config.latents_std).view(shape)

        def script(frames: torch.Tensor) -> Any:
            pixels = frames.permute(3, 0, 1, 2)[None].float() / 127.5 - 1
            return (live.encode(pixels).latent_dist.mode() - mean) / spread

        plain, node = [], []
        for pair in pairs:
            plain.append(timed(lambda pair=pair: script(pair.video.frames)))  # type: ignore[misc]
            node.append(timed(lambda pair=pair: run_node(encode_clip, vae, pair.video, context=context)))  # type: ignore[misc]
    ratio = statistics.median(b / a for a, b in zip(plain, node, strict=True))
    print(f"{'encode a clip, script':30}{statistics.median(plain) * 1000:16.1f}{1.0:10.3f}")
    print(f"{'encode a clip, node':30}{statistics.median(node) * 1000:16.1f}{ratio:10.3f}")


if __name__ == "__main__":
    main()
