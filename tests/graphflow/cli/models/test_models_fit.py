"""`graphflow models fit`: forecasts for models that need not be here, refusals with the nearest way out."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from typing import Any

import pytest

from graphflow.cli import exits

WAN = ("text_to_video", "--set", "model=wan2.2-t2v-a14b")


def fit(call: Any, *arguments: str) -> Any:
    return call("models", "fit", *arguments)


def strategies(call: Any, *arguments: str) -> list[dict[str, Any]]:
    done = fit(call, *arguments, "--json")
    assert done.code == exits.OK, done
    return done.json["strategies"]


def test_a_model_that_is_here_fits_as_it_is(call: Any) -> None:
    best = strategies(call, "--vram", "8", "--ram", "16", "text_to_video")[0]
    assert best["fits"] and best["placing"] == "resident" and best["stored"] == ""
    assert best["by_node"].keys() == {"encode", "denoise", "decode"}
    assert best["device"] == best["by_node"][best["node"]] == max(best["by_node"].values())


def test_a_published_model_needs_no_files(call: Any) -> None:
    """Wan 2.2 A14B: 28.6 GB an expert in bfloat16, so 16 GiB want offload by blocks or fewer bits."""
    found = strategies(call, "--vram", "16", "--ram", "96", *WAN)
    fitting = [one for one in found if one["fits"]]
    assert fitting and all(one["device"] < 16 * 2**30 for one in fitting)
    assert not any(one["placing"] in ("resident", "in turn") and not one["stored"] for one in fitting)
    assert fitting[0]["placing"] == "block" and fitting[0]["stored"] == "", "what it was trained in"
    assert any(one["placing"] == "leaf" and one["stored"] == "int8" for one in fitting)


def test_more_memory_allows_what_is_faster(call: Any) -> None:
    first = [strategies(call, "--vram", v, "--ram", "256", *WAN)[0] for v in ("8", "40", "66", "180")]
    found = [(one["placing"], one["stored"]) for one in first]
    assert found == [("block", ""), ("resident", "nf4"), ("in turn", ""), ("resident", "")]


def test_a_plan_that_cannot_fit_is_refused_with_the_nearest_that_can(call: Any) -> None:
    begun = time.process_time()
    done = fit(call, "--vram", "4", "--ram", "32", *WAN)
    assert time.process_time() - begun < 2, "of the processor, so that a busy machine counts for nothing"
    assert done.code == exits.RESOURCE
    assert "it does not fit" in done.err and "nearest that fits" in done.err
    found = fit(call, "--vram", "4", "--ram", "32", *WAN, "--json")
    ((width, height, frames),) = found.json["nearest"]["sizes"].values()
    assert width % 16 == height % 16 == 0 and frames % 4 == 1, "a clip that the model can make"
    assert width * height * frames < 832 * 480 * 81
    again = (*WAN, "--width", str(width), "--height", str(height), "--frames", str(frames))
    assert strategies(call, "--vram", "4", "--ram", "32", *again)[0]["fits"], "and it does fit"


def test_not_even_one_small_frame(call: Any) -> None:
    done = fit(call, "--vram", "1", "--ram", "4", *WAN)
    assert done.code == exits.RESOURCE and "choose a smaller model" in done.err


def test_main_memory_that_is_short_is_named_and_the_least_is_the_least(call: Any) -> None:
    short, enough = (fit(call, "--vram", "4", "--ram", ram, *WAN).err for ram in ("8", "64"))
    assert "the weights alone need more than 8.6 GB of main memory" in short
    least = re.compile(r"the least is (\S+ GB) on the device")
    assert least.findall(short) == least.findall(enough) != []


def test_smaller_clips_need_less(call: Any) -> None:
    size = ("--width", "416", "--height", "240")
    small, large = (strategies(call, "--vram", "200", "--ram", "200", *WAN, *more) for more in (size, ()))
    assert small[0]["device"] < large[0]["device"]


def test_the_tables_are_for_people(call: Any) -> None:
    out = fit(call, "--vram", "24", "--ram", "64", *WAN).out
    assert "Denoiser" in out and "57.3 GB" in out and "decode: tile=256" in out


def test_a_model_that_nobody_knows(call: Any) -> None:
    done = fit(call, "--vram", "24", "text_to_video", "--set", "model=nobody/knows")
    assert done.code == exits.RESOURCE and "nobody/knows" in done.err


def test_a_workflow_without_models(call: Any, write: Any) -> None:
    write()
    done = fit(call, "--vram", "24", "words.json")
    assert done.code == exits.RESOURCE and "uses a model" in done.err


def test_torch_is_never_loaded() -> None:
    program = (
        "import sys\n"
        "for name in ('torch', 'diffusers', 'transformers', 'accelerate', 'peft'): sys.modules[name] = None\n"
        "from graphflow.cli.main import invoke\n"
        f"assert invoke({['models', 'fit', '--vram', '4', *WAN, '--json']!r}) == 3\n"
        "assert invoke(['models', '--json']) == 0\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["wan2.2-ti2v-5b", "Wan-AI/Wan2.2-TI2V-5B-Diffusers"])
def test_one_model_in_full(call: Any, name: str) -> None:
    found = call("models", "show", name, "--json").json
    assert found["parts"]["transformer"]["basis"] == "counted"
    assert found["reported_by_source"] and found["bytes_bfloat16"] and found["native"]["frames"] == 121
    out = call("models", "show", name).out
    assert "reported memory" in out and "estimated memory" in out and "apache-2.0" in out


def test_a_licence_is_told_with_its_territory_and_what_its_outputs_may_train(call: Any) -> None:
    out = call("models", "show", "hunyuanvideo-1.5-480p-t2v").out
    assert "territory            world without the European Union" in out
    assert "train other models   no" in out and "read 20" in out


def test_an_unknown_name_is_met_with_the_closest(call: Any) -> None:
    done = call("models", "show", "wan2.2-ti2v")
    assert done.code == exits.USAGE and "wan2.2-ti2v-5b" in done.err


def test_an_embedded_model_in_full(call: Any) -> None:
    assert "embedded" in call("models", "show", "toy-wan").out
    assert json.dumps(call("models", "show", "toy-wan", "--json").json)


def test_a_run_that_would_be_refused_is_refused_and_the_model_is_named(call: Any) -> None:
    """Not by the place of the outline that stood for it; no sum is told, which would lack what follows."""
    done = fit(call, "--vram", "200", "--ram", "200", "image_to_video", *WAN[1:])
    assert done.code == exits.FAILED and not done.out
    assert "model 'wan2.2-t2v-a14b' was not made for image to video" in done.err


def test_the_halves_of_a_model_are_told_apart(call: Any) -> None:
    found = fit(call, "--vram", "24", "--ram", "128", "two_expert_text_to_video", *WAN[1:], "--json").json
    named = {model["name"]: model["nodes"] for model in found["models"]}
    assert named["Denoiser, first expert"] == ["layout"] and named["Denoiser, second expert"] == ["detail"]


def test_every_model_says_who_uses_it(call: Any) -> None:
    """Also the treated ones of a mapped node, which stands once in the forecast."""
    found = fit(call, "--vram", "24", "--ram", "32", "quantise_offload_matrix", "--json").json
    users = [model["nodes"] for model in found["models"] if model["name"] == "Denoiser"]
    assert len(users) > 1 and all(nodes == ["measure"] for nodes in users)


def test_a_clip_that_the_model_cannot_make_is_never_said_to_fit(call: Any) -> None:
    """Without it the sum would lack all that comes after: 82 frames would fit where 81 do not."""
    done = fit(call, "--vram", "24", *WAN, "--frames", "82")
    assert done.code == exits.FAILED and "not 82" in done.err and "placing" not in done.out


@pytest.mark.parametrize("memory", ["0", "-1", "inf", "1e300", "nan"])
def test_memory_that_no_machine_has(call: Any, memory: str) -> None:
    done = fit(call, f"--vram={memory}", "text_to_video")
    assert done.code == exits.USAGE and "--vram" in done.err
