"""Makes the embedded model from nothing: `python -m graphflow_nodes.toyworld.training --help`."""

import argparse
import json
import multiprocessing
from collections.abc import Callable, Sequence
from pathlib import Path

HELP = """\
The whole run, on two CPU cores in about 90 minutes (nothing is downloaded):

  codec     fit the latent space, a PCA of pixel chunks, to rendered clips          (10 seconds)
  denoiser  train transformer and text encoder on latents drawn by the renderer     (~85 minutes)
  vae       train the autoencoder by regression, in another terminal at that time   (~75 minutes)
  export    pack both as a diffusers folder with sidecar
  score     score a folder with the stock WanPipeline and draw a contact sheet

denoiser and vae write a checkpoint every two minutes and go on from it when started again; more --minutes
then stretches the schedule. Put `nice -n 19` before them on a machine that others use.
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one stage."""
    options = _parser().parse_args(arguments)
    stages: dict[str, Callable[[argparse.Namespace], None]] = {
        "codec": _codec,
        "denoiser": _denoiser,
        "vae": _vae,
        "export": _export,
        "score": _score,
    }
    options.work.mkdir(parents=True, exist_ok=True)
    stages[options.stage](options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m graphflow_nodes.toyworld.training",
        description=HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("stage", choices=("codec", "denoiser", "vae", "export", "score"))
    parser.add_argument("--work", type=Path, default=Path("toy_work"), help="folder of checkpoints and logs")
    parser.add_argument("--minutes", type=float, default=85, help="training time over all sessions")
    parser.add_argument("--workers", type=int, default=2, help="denoiser processes, one thread each")
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
    from .export import write_scores

    result = evaluate(options.folder)
    kept = ("prompts", "held_out", "with_unknown_words", "padded_to_512", "mean_overlap")
    write_scores(options.folder, {name: result[name] for name in kept})
    (options.work / "scores.json").write_text(json.dumps(result, indent=2) + "\n")
    draw_sheet(options.folder).save(options.work / "sheet.png", optimize=True)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
