"""The word-level tokenizer of the embedded model."""

from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import NFKC, Lowercase, Sequence
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import TemplateProcessing

from ..captions import vocabulary
from .stock import PreTrainedTokenizerFast, Stock

PAD, END, UNKNOWN = "<pad>", "</s>", "<unk>"
ROWS = 320
"""Rows of the embedding table; those past the vocabulary wait for later words."""
MAX_LENGTH = 512


def build_tokenizer() -> Stock:
    """Lower-cases, splits at spaces and punctuation, ends with `</s>`; other words become `<unk>`."""
    words = [PAD, END, UNKNOWN, *vocabulary()]
    if len(words) > ROWS:
        raise ValueError(f"{len(words)} words do not fit into {ROWS} rows")
    tokenizer = Tokenizer(WordLevel({word: i for i, word in enumerate(words)}, unk_token=UNKNOWN))
    tokenizer.normalizer = Sequence([NFKC(), Lowercase()])
    tokenizer.pre_tokenizer = BertPreTokenizer()
    ending = [(END, words.index(END))]
    tokenizer.post_processor = TemplateProcessing(single=f"$A {END}", special_tokens=ending)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=END,
        unk_token=UNKNOWN,
        model_max_length=MAX_LENGTH,
        padding_side="right",
    )
