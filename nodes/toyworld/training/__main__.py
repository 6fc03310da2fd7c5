"""Makes the embedded models: `python -m graphflow_nodes.toyworld.training --help`."""

import argparse
import json
import multiprocessing
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

HELP = """\
From nothing, on two CPU cores in about 90 minutes (nothing is downloaded):

  codec     fit the latent space, a PCA of pixel chunks, to rendered clips          (10 seconds)
  denoiser  train transformer and text encoder on latents drawn by the renderer     (~85 minutes)
  vae       train the autoencoder by regression, in another terminal at that time   (~75 minutes)
  export    pack both as a diffusers folder with sidecar
  score, score-video   score a folder with the stock pipelines and draw a contact sheet

From the folder --base, with its codec in --work:

  encoder         train the encoder further, also on what conditions look like      (~25 minutes)
  image           train on: first frames and single pictures                        (~30 minutes)
  control         train a VACE model: given frames, boxes, holes                    (~90 minutes)
  export-image, export-control   pack them (with the encoder of --work, if there is one)
  score-image, score-control     score them with the stock pipelines and draw a contact sheet

Training writes a checkpoint every two minutes and goes on from it when started again; more --minutes then
stretches the schedule. Put `nice -n 19` before it on a machine that others use.
"""

RATES = {"encoder": 0.5, "image": 0.4, "control": 0.5}
KEPT = ("prompts", "held_out", "with_unknown_words", "padded_to_512", "mean_overlap")
"""Figures of text to video that go to the sidecar."""
BATCHES = {"encoder": 4, "image": 16, "control": 16}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one stage."""
    options = _parser().parse_args(arguments)
    options.work.mkdir(parents=True, exist_ok=True)
    _stages()[options.stage](options)


def _stages() -> dict[str, Callable[[argparse.Namespace], None]]:
    return {
        "codec": _codec,
        "denoiser": _denoiser,
        "vae": _vae,
        "export": _export,
        "score": _score,
        "encoder": _tune,
        "image": _tune,
        "control": _tune,
        "export-image": _pack,
        "export-control": _pack,
        "score-image": _score_image,
        "score-control": _score_control,
        "score-video": _score_video,
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m graphflow_nodes.toyworld.training",
        description=HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("stage", choices=tuple(_stages()))
    parser.add_argument("--work", type=Path, default=Path("toy_work"), help="folder of checkpoints and logs")
    parser.add_argument("--minutes", type=float, default=85, help="training time over all sessions")
    parser.add_argument("--workers", type=int, default=2, help="processes, one thread each (not for vae)")
    parser.add_argument("--base", type=Path, default=Path("toy-wan"), help="model folder to go on from")
    parser.add_argument("--folder", type=Path, default=Path("toy-wan"), help="model folder to write or score")
    parser.add_argument("--steps", type=int, default=20, help="denoising steps stated in the sidecar")
    parser.add_argument("--guidance", type=float, default=3.0, help="guidance stated in the sidecar")
    parser.add_argument("--shift", type=float, default=3.0, help="noise shift of the scheduler")
    return parser


def _codec(options: argparse.Namespace) -> None:
    from ..world import sample_scenes
    from .codec import fit, save

    codec, quality = fit(sample_scenes(960, seed=99))
    save(codec, options.work / "codec.safetensors")
    print(f"{quality:.2f} dB")


def _denoiser(options: argparse.Namespace) -> None:
    from .train_denoiser import DenoiserRun, train

    run = DenoiserRun(options.work, options.minutes, options.workers)
    (run.work / "meeting").unlink(missing_ok=True)
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=train, args=(rank, run)) for rank in range(run.workers)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if any(worker.exitcode for worker in workers):
        raise SystemExit("a denoiser process failed; start again to go on from the last checkpoint")


def _vae(options: argparse.Namespace) -> None:
    from .train_vae import VaeRun, train

    train(VaeRun(options.work, options.minutes))


def _export(options: argparse.Namespace) -> None:
    from .export import Defaults, export, summarize

    defaults = Defaults(options.steps, options.guidance, options.shift)
    size = export(options.work, options.folder, defaults, summarize(options.work))
    print(f"{options.folder}: {size / 1e6:.2f} MB")


def _score(options: argparse.Namespace) -> None:
    from .evaluate import draw_sheet, evaluate

    result = evaluate(options.folder)
    _note(options, result, {name: result[name] for name in KEPT}, draw_sheet(options.folder))


def _tune(options: argparse.Namespace) -> None:
    from . import train_control, train_encoder, train_image
    from .tune import TuneRun, start

    name = options.stage
    run = TuneRun(
        name,
        options.work,
        options.base,
        options.minutes,
        RATES[name],
        batch=BATCHES[name],
        workers=options.workers,
    )
    start(run, {"encoder": train_encoder, "image": train_image, "control": train_control}[name].train)


def _pack(options: argparse.Namespace) -> None:
    from .pack import PRODUCTS, pack

    product = PRODUCTS[options.stage.removeprefix("export-")]
    size = pack(product, options.work, options.base, options.folder)
    print(f"{options.folder}: {size / 1e6:.2f} MB")


def _score_image(options: argparse.Namespace) -> None:
    from .evaluate_image import evaluate_image

    result, sheet = evaluate_image(options.folder)
    text = {name: result["text_to_video"][name] for name in KEPT}
    images = {name: value for name, value in result["image_to_video"].items() if name != "missed"}
    _note(options, result, result | {"text_to_video": text, "image_to_video": images}, sheet)


def _score_control(options: argparse.Namespace) -> None:
    from .evaluate_control import evaluate_control

    result, sheet = evaluate_control(options.folder)
    _note(options, result, result, sheet)


def _score_video(options: argparse.Namespace) -> None:
    from .evaluate_video import evaluate_video

    result, sheet = evaluate_video(options.folder)
    scores = json.loads((options.folder / "graphflow.json").read_text())["scores"]
    _note(options, result, scores | {"video_to_video": result}, sheet)


def _note(options: argparse.Namespace, result: dict[str, Any], scores: dict[str, Any], sheet: Any) -> None:
    """Write a result beside the log and its main figures into the sidecar."""
    from .export import write_scores

    write_scores(options.folder, scores)
    name = options.stage.replace("score", "scores").replace("-", "_")
    (options.work / f"{name}.json").write_text(json.dumps(result, indent=2) + "\n")
    sheet.save(options.work / f"{name.replace('scores', 'sheet')}.png", optimize=True)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
