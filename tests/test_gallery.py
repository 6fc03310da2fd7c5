"""The page of templates: what it tells of each, and pictures of reports."""

from __future__ import annotations

import importlib.util
import re
import shutil
from pathlib import Path
from types import ModuleType

import pytest
import torch
from graphflow_nodes.diffusion.catalogue import find
from graphflow_nodes.evaluation import measure, report, score_table
from graphflow_nodes.toyworld import clip

from graphflow import templates
from graphflow.testing import LocalContext, run_node

DOCS = Path(__file__).parent.parent / "docs"


@pytest.fixture(scope="module")
def gallery() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_gallery", DOCS / "gallery.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("seconds", "told"), [(0.4, "1 s"), (12.3, "12 s"), (83.0, "85 s"), (118.0, "2 min"), (431.0, "7 min")]
)
def test_a_time_is_told_with_the_digits_it_deserves(gallery: ModuleType, seconds: float, told: str) -> None:
    assert gallery.about(seconds) == told


def test_a_section_tells_parameters_a_real_model_and_the_time_if_it_was_measured(gallery: ModuleType) -> None:
    taken = {"text_to_video": {"seconds": 3.2, "cores": 2}}
    text = gallery.section("text_to_video", taken)
    assert "Takes about 3 s on two cores." in text
    assert "![text_to_video](../workflows/pictures/text_to_video.png)" in text and "`prompt`" in text
    assert "For real: `--set model=" in text
    assert "Takes about" not in gallery.section("text_to_video", {})


def test_times_of_templates_that_are_no_more_are_left_out(
    gallery: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gallery, "SECONDS", tmp_path / "seconds.json")
    assert gallery.times() == {}
    gallery.SECONDS.write_text(
        '{"gone": {"seconds": 1, "cores": 2}, "text_to_video": {"seconds": 2, "cores": 2}}'
    )
    assert [*gallery.times()] == ["text_to_video"]


def test_every_template_is_on_the_page() -> None:
    page = (DOCS / "gallery.md").read_text("utf-8")
    assert [name for name in templates.templates() if f"## {name}\n" not in page] == []


def test_the_top_of_a_report_becomes_a_picture(gallery: ModuleType, tmp_path: Path) -> None:
    if not any(shutil.which(name) for name in gallery.BROWSERS):
        with pytest.raises(FileNotFoundError, match="chromium"):
            gallery.photograph(tmp_path / "page.html")
        return
    video = run_node(clip).video
    table = run_node(score_table, [run_node(measure, video, metrics="motion")], system="drawn")
    saved = run_node(report, table, [video], context=LocalContext(out_dir=tmp_path), name="page")
    pixels = gallery.photograph(Path(saved.path)).pixels
    assert tuple(pixels.shape) == (gallery.PAGE[1], gallery.PAGE[0], 3)
    assert len(torch.unique(pixels.reshape(-1, 3), dim=0)) > 50, "an empty page"


LOADED = ("model", "refiner", "rival", "upsampler")
"""Parameters that name a model: with a real one the tiny ones of the others would not go together."""


@pytest.mark.parametrize("name", list(templates.templates()))
def test_for_real_every_model_of_a_template_is_named(gallery: ModuleType, name: str) -> None:
    document, _ = templates.find(name)
    real = document.ui.get("real", {})
    assert set(real) <= {*document.parameters, *gallery.FACTS}
    if real:
        assert [one for one in LOADED if one in document.parameters and one not in real] == []


@pytest.mark.parametrize("name", list(templates.templates()))
def test_a_memory_note_tells_what_the_catalogue_knows_of_the_model(name: str) -> None:
    real = templates.find(name)[0].ui.get("real", {})
    published = find(str(real.get("model")))
    told = re.match(r"([\d.]+) GB of (weights|GPU memory)(.* report)?", real.get("memory", ""))
    if published is None or told is None or "trainers" in told[0] or "by the size" in real["memory"]:
        return
    reported = [round(one.gigabytes, 1) for one in published.reported]
    assert float(told[1]) in (
        [round(published.weight_bytes() / 1e9, 1)] if told[2] == "weights" else reported
    )
