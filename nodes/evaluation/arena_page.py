"""The arena's page: one HTML file in which people vote without knowing who made what."""

from __future__ import annotations

import json
from pathlib import Path

from graphflow.errors import ValueMismatch
from graphflow.node import Context, FileName, node
from graphflow.values import SavedFile, Video

from .arena import Pair
from .files import save, still_stands
from .frames import frames_of
from .report import Text

SCRIPT = """
const pairs = [...document.querySelectorAll(".pair")];
const box = document.querySelector("textarea");
const votes = [];
let at = 0;
function show() {
  pairs.forEach((pair, place) => { pair.hidden = place !== at; });
  document.querySelector("#place").textContent = Math.min(at + 1, pairs.length) + " of " + pairs.length;
  document.querySelector("#done").hidden = at < pairs.length;
  document.querySelector("#choices").hidden = at >= pairs.length;
  box.value = JSON.stringify(votes);
}
function vote(choice) {
  if (at >= pairs.length) return;
  const pair = JSON.parse(pairs[at].dataset.pair);
  votes.push({ ...pair, choice, rater: document.querySelector("#rater").value });
  at += 1;
  show();
}
document.querySelectorAll("#choices button").forEach((button) => {
  button.addEventListener("click", () => vote(button.value));
});
document.addEventListener("keydown", (event) => {
  const choice = { ArrowLeft: "left", ArrowRight: "right", ArrowDown: "same" }[event.key];
  if (choice && event.target.tagName !== "INPUT" && event.target.tagName !== "TEXTAREA") {
    event.preventDefault();
    vote(choice);
  }
});
show();
"""


@node(
    "evaluation/arena_page",
    cache=False,
    effect=still_stands,
    depends=(".arena", ".frames", ".page", ".strips", ".files"),
)
def arena_page(
    pairs: list[Pair],
    left: list[Video],
    right: list[Video],
    ctx: Context,
    *,
    name: FileName = "arena",
    question: Text = "Which clip is better?",
) -> SavedFile:
    """Save a page for blind votes: pair after pair, by click or arrow keys, with nothing fetched or sent.

    The names of the systems are not shown. At the end the page gives the votes as text; paste it into
    `evaluation/read_votes`. Raises ValueMismatch if the lists differ in length.
    """
    from .page import Mark, page, picture, tag, text
    from .strips import film

    if not len(pairs) == len(left) == len(right):
        raise ValueMismatch("pairs and clips differ in number", hint="wire all of evaluation/blind_pairs")
    shown: list[Mark] = []
    for number, (pair, first, second) in enumerate(zip(pairs, left, right, strict=True)):
        ctx.progress(number, len(pairs))
        films = [
            picture(film(frames_of(video), video.fps), "image/webp", side, 480)
            for video, side in ((first, "left clip"), (second, "right clip"))
        ]
        data = json.dumps(pair.model_dump(mode="json"))
        heading = tag("h3", text(pair.item))
        shown.append(
            tag("div", heading, tag("div", *films, class_="row"), class_="pair", data_pair=data, hidden="")
        )
    choices = tag(
        "p",
        tag("button", text("left is better"), value="left"),
        tag("button", text("no difference"), value="same"),
        tag("button", text("right is better"), value="right"),
        id="choices",
        class_="choices",
    )
    done = tag(
        "div",
        tag("p", text("Thank you. Copy these votes into evaluation/read_votes.")),
        tag("textarea", aria_label="votes", readonly=""),
        id="done",
        hidden="",
    )
    rater = tag("p", text("Your name or number: "), tag("input", id="rater", aria_label="rater"))
    parts = [tag("h1", text(question)), rater, tag("p", id="place"), *shown, choices, done]
    whole = page(question, *parts, script=SCRIPT)

    def write(path: Path) -> None:
        path.write_bytes(whole)

    saved: SavedFile = save(ctx, name, ".html", "text/html", write)
    return saved
