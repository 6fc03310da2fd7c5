"""The model card that lies in the model folder."""

from collections.abc import Mapping, Sequence

CARD = """\
---
license: apache-2.0
library_name: diffusers
pipeline_tag: text-to-video
---

# {title}

{description} Made to be shipped with a program: what works with a Wan model can be tried with it at once,
without a GPU or a download.

```python
from diffusers import WanPipeline

pipeline = WanPipeline.from_pretrained("{name}")
video = pipeline(
    "{prompt}",
    width={width},
    height={height},
    num_frames={frames},
    num_inference_steps={steps},
    guidance_scale={guidance},
    max_sequence_length={max_sequence_length},
).frames[0]
```

Other sizes, lengths and words were not trained; unknown words are ignored. `graphflow.json` holds these
numbers and the vocabulary for programs.

## Prompts

{prompts}

## Training

From scratch on two CPU cores with clips drawn by a renderer, captions by rule; no other data or model.
Recipe, log and scores are in the project's `docs/toy_model`. Licence of weights and code: Apache-2.0.
"""


def model_card(facts: Mapping[str, object], prompts: Sequence[str]) -> str:
    """The card in Markdown, from the sidecar's facts."""
    return CARD.format(**facts, prompt=prompts[0], prompts="\n".join(f"- {prompt}" for prompt in prompts))
