"""From a model folder, or a single file, to a live module. Only safetensors and GGUF are ever read."""

from __future__ import annotations

import importlib
import importlib.util
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from graphflow.errors import NodeError, ValueMismatch

from .headers import read_header
from .modifiers.quantise import Quantisation, load_options
from .source import ANEW
from .values import Dtype
from .weights import UNLIKE, check_finite, check_layers, check_loaded


def component_class(index: Mapping[str, Any], part: str) -> Any:
    """The class that `model_index.json` names for a component, if it is one of diffusers or transformers."""
    package, name = class_named(index, part)
    found = getattr(importlib.import_module(package), name, None)
    if not (isinstance(found, type) and hasattr(found, "from_pretrained")):
        raise NodeError(
            f"{package} has no class {name!r}, which the model needs for {part!r}",
            hint=f"a newer {package.partition('.')[0]} may have it",
        )
    return found


def class_named(index: Mapping[str, Any], part: str) -> tuple[str, str]:
    """Package and name of that class; imports nothing. Raises NodeError for a package of anybody else's.

    Classes that only one pipeline uses are named by the pipeline's package inside diffusers.
    """
    entry = index.get(part)
    package, name = entry if isinstance(entry, list) and len(entry) == 2 else (None, None)
    if package in ("diffusers", "transformers"):
        return str(package), str(name)
    diffusers = importlib.util.find_spec("diffusers")
    places = (diffusers and diffusers.submodule_search_locations) or ()
    inner = isinstance(package, str) and package.isidentifier()
    if not (inner and any((Path(place) / "pipelines" / str(package)).is_dir() for place in places)):
        raise NodeError(
            f"the model names no usable class for {part!r}: {entry!r}",
            hint="only classes of diffusers and transformers are loaded, never code in a model folder",
        )
    return f"diffusers.pipelines.{package}", str(name)


def load_module(
    index: Mapping[str, Any],
    folder: Path,
    part: str,
    dtype: Dtype,
    device: str,
    quantisation: Quantisation | None = None,
) -> Any:
    """One component's live module, from safetensors only, in evaluation mode on `device`."""
    import torch

    cls = component_class(index, part)
    options = {"dtype": getattr(torch, dtype), "use_safetensors": True, "local_files_only": True}
    with _no_progress_bars(), warnings.catch_warnings():
        if quantisation is not None:
            warnings.filterwarnings("ignore", r".*[Qq]uanto", FutureWarning)  # diffusers 1.0 will drop it
            library = importlib.import_module(cls.__module__.partition(".")[0])
            options |= load_options(quantisation, library, options["dtype"], device)
        return from_folder(cls, folder, part, device, options)


def from_folder(cls: Any, folder: Path, part: str, device: str, options: Mapping[str, Any]) -> Any:
    """A live module of a class of diffusers or transformers, with all of its weights and no others.

    Raises ValueMismatch if its config and its files do not make one, NodeError for broken numbers.
    """
    try:
        module, told = cls.from_pretrained(folder / part, output_loading_info=True, **options)
    except (OSError, ValueError, RuntimeError, TypeError, KeyError, AttributeError) as error:
        if "quantization_config" in options or "memory" in str(error):  # not the files' fault
            raise
        text = f"{part!r} of the model is no {cls.__name__} that can be loaded: {error}"
        raise ValueMismatch(text, hint=UNLIKE) from error
    check_loaded(part, told)
    check_layers(part, module.state_dict(), told["unexpected_keys"])
    if "device_map" not in options:
        module = module.to(device)
    check_finite(repr(part), module.state_dict(), hint=ANEW)
    return module.eval().requires_grad_(False)


def load_tool(index: Mapping[str, Any], folder: Path, part: str) -> Any:
    """A component without weights: a tokenizer, or what prepares pictures.

    Raises NodeError if its folder is missing or broken.
    """
    if not (folder / part).is_dir():
        raise NodeError(f"the model has no folder {part!r}", hint=ANEW)
    cls = component_class(index, part)
    try:
        return cls.from_pretrained(folder / part, local_files_only=True)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise NodeError(f"{part!r} of the model cannot be read: {error}", hint=ANEW) from error


_FILE_ANEW = "copy or download the file anew"


def load_file(
    index: Mapping[str, Any], folder: Path, part: str, file: Path, dtype: Dtype, device: str
) -> Any:
    """The same with the weights of a single file; `folder` gives the architecture.

    file: safetensors with the names of diffusers or of the model's authors, or GGUF, whose layers stay
    quantised. Raises ValueMismatch unless it holds exactly the weights that the architecture wants.
    """
    import torch

    cls = component_class(index, part)
    loaders: Any = importlib.import_module("diffusers.loaders.single_file_model")
    if not hasattr(cls, "from_single_file") or not loaders._get_single_file_loadable_mapping_class(cls):
        raise NodeError(
            f"diffusers cannot read a {cls.__name__} from a single file",
            where="file",
            hint="use a model folder",
        )
    options: dict[str, Any] = {"config": str(folder / part), "local_files_only": True}
    gguf = file.suffix == ".gguf"
    if not gguf:
        _check_names(file, part, blank_model(index, folder, part))
    if gguf:
        config: Any = importlib.import_module("diffusers").GGUFQuantizationConfig
        options["dtype"] = getattr(torch, dtype)
        options["quantization_config"] = config(compute_dtype=options["dtype"])
    try:
        module = cls.from_single_file(str(file), **options)
    except OSError as error:
        raise NodeError(
            f"{file.name} cannot be read: it is broken or cut off", where="file", hint=_FILE_ANEW
        ) from error
    except (ValueError, RuntimeError, KeyError, IndexError, AttributeError, TypeError) as error:
        nothing = "meta tensor" in str(error)  # all of it is without content still
        reason = "it has none of its layers" if nothing else error
        raise ValueMismatch(
            f"{file.name} does not fit {part!r} of the model: {reason}",
            where="file",
            hint=_HINT,
        ) from error
    _check_complete(file, part, [name for name, tensor in module.named_parameters() if tensor.is_meta])
    if not gguf:
        _to_dtype(module, getattr(torch, dtype))
    check_finite(file.name, module.state_dict(), hint=_FILE_ANEW, where="file")
    return module.to(device).eval().requires_grad_(False)


def _check_names(file: Path, part: str, blank: Any) -> None:
    """Refuse a file by its header, if it has the names of diffusers. Raises ValueMismatch."""
    header = read_header(file)
    wanted = {name: tuple(tensor.shape) for name, tensor in blank.state_dict().items()}
    if not header.keys() & wanted.keys():
        return
    _check_complete(file, part, [name for name in wanted if name not in header])
    check_layers(part, wanted, header.keys() - wanted.keys())
    for name, shape in wanted.items():
        if header[name].shape != shape:
            raise ValueMismatch(
                f"{file.name} does not fit {part!r} of the model: {name} is {header[name].shape}, "
                f"not {shape}",
                where="file",
                hint=_HINT,
            )


def _check_complete(file: Path, part: str, absent: list[str]) -> None:
    if absent:
        raise ValueMismatch(
            f"{file.name} lacks {len(absent)} weights of {part!r}, such as {absent[0]}",
            where="file",
            hint=_HINT,
        )


_HINT = "choose the model that the file was made from"


def _to_dtype(module: Any, dtype: Any) -> None:
    """As `from_pretrained` would have it: some weights stay float32 in a half-precision model."""
    import torch

    kept = module._keep_in_fp32_modules or ()
    for name, tensor in module.state_dict(keep_vars=True).items():  # tables computed at start are not in it
        if tensor.is_floating_point():
            wanted = torch.float32 if any(part in name.split(".") for part in kept) else dtype
            tensor.data = tensor.data.to(wanted)


def blank_model(index: Mapping[str, Any], folder: Path, part: str) -> Any:
    """A component of diffusers without its weights, to look at its layers; costs no memory."""
    from accelerate import init_empty_weights

    cls = component_class(index, part)
    with init_empty_weights():
        return cls.from_config(cls.load_config(folder / part, local_files_only=True))


@contextmanager
def _no_progress_bars() -> Iterator[None]:
    """transformers draws a bar for every load; the engine has its own."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]
