"""The house rules: who may import whom, how long things may be, what may not be there at all."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
ENGINE = sorted((ROOT / "graphflow").rglob("*.py"))
NODES = sorted((ROOT / "nodes").rglob("*.py"))

MAX_FILE = 400
MAX_FUNCTION = 60

LEVELS: tuple[frozenset[str], ...] = tuple(
    frozenset(names.split())
    for names in (
        "errors __init__",
        "files types migrations claims endpoint last_run quota limited rows tensors",
        "values",
        "signature sizes",
        "node keys workflow cache widgets",
        "refs registry events choices expand environment settings provenance difference",
        "graph schema library models known telling",
        "steps templates",
        "origins checks",
        "plan schedule pool record forecast",
        "context timeline",
        "execute",
        "runners",
        "result",
        "run explain",
        "workspace testing",
        "api queued made database outputs",
        "history assets",
        "server",
        "async_client",
        "client",
        "cli",
        "__main__",
    )
)
"""Lowest first; a module imports only from lower levels. The files of one folder may import each other."""


def module_of(path: Path) -> str:
    """`cache.disk` for graphflow/cache/disk.py, `cache` for its `__init__`."""
    parts = path.relative_to(ROOT / "graphflow").with_suffix("").parts
    name = ".".join(parts)
    return name.removesuffix(".__init__")


def level_of(module: str) -> int:
    while True:
        for place, names in enumerate(LEVELS):
            if module in names:
                return place
        if "." not in module:
            raise AssertionError(f"graphflow.{module} has no level; give it one in LEVELS")
        module = module.rpartition(".")[0]


def imports(tree: ast.AST, *, everywhere: bool = True) -> Iterator[tuple[str, int]]:
    """Imported modules with their line; without `everywhere` only those that importing the file brings in."""
    waiting = list(ast.iter_child_nodes(tree))
    while waiting:
        part = waiting.pop()
        if isinstance(part, ast.Import):
            yield from ((alias.name, part.lineno) for alias in part.names)
        elif isinstance(part, ast.ImportFrom) and part.module:
            yield part.module, part.lineno
            yield from ((f"{part.module}.{alias.name}", part.lineno) for alias in part.names)
        elif isinstance(part, (ast.FunctionDef, ast.AsyncFunctionDef)) and not everywhere:
            continue
        elif isinstance(part, ast.If) and "TYPE_CHECKING" in ast.unparse(part.test):
            waiting.extend(part.orelse)
            continue
        waiting.extend(ast.iter_child_nodes(part))


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"), str(path))


def short(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


KNOWN = {module_of(path) for path in ENGINE}


def test_lower_modules_never_import_higher_ones() -> None:
    for path in ENGINE:
        own = module_of(path)
        if own in ("__init__", "__main__"):
            continue
        for name, line in imports(parsed(path)):
            target = name.removeprefix("graphflow.")
            if not name.startswith("graphflow.") or target not in KNOWN:
                continue
            one_house = own.partition(".")[0] == target.partition(".")[0]
            allowed = level_of(target) < level_of(own) + (1 if one_house else 0)
            assert allowed, f"{short(path)}:{line} imports {name}"


def test_node_packs_import_the_public_modules_and_their_own_siblings_only() -> None:
    for path in NODES:
        for name, line in imports(parsed(path)):
            if not name.startswith(("graphflow.", "graphflow_nodes.")):
                continue
            public = tuple(f"graphflow.{one}" for one in ("node", "values", "errors", "endpoint", "limited"))
            own = f"graphflow_nodes.{path.relative_to(ROOT / 'nodes').parts[0]}"
            extra = PACK_EXTRAS.get(short(path), ())
            assert name.startswith((*public, own, *extra)), f"{short(path)}:{line} imports {name}"


_OF_MODELS = [
    "adapters",
    "extract",
    "forward",
    "group",
    "latents",
    "lesson",
    "member",
    "train_dpo",
    "train_full",
    "train_lora",
    "watch",
]

PACK_EXTRAS: dict[str, tuple[str, ...]] = {
    "nodes/evaluation/files.py": ("graphflow_nodes.media.files",),  # one way to save
    "nodes/evaluation/weights.py": (  # one way to find models, and to weigh them
        "graphflow_nodes.diffusion.source",
        "graphflow_nodes.diffusion.headers",
        "graphflow_nodes.diffusion.memory",
    ),
    "nodes/evaluation/aesthetic.py": ("graphflow_nodes.diffusion.source",),
    "nodes/dataset/flow.py": ("graphflow_nodes.evaluation.classic_flow",),  # one optical flow
    "nodes/dataset/motion.py": ("graphflow_nodes.evaluation.texture",),  # one way to trust it
    "nodes/dataset/structured.py": ("graphflow_nodes.prompts",),  # one value of a prompt taken apart
    "nodes/dataset/reading.py": ("graphflow_nodes.media",),  # one decoder and one encoder of files
    **dict.fromkeys(  # one way to open models, to call them and to begin processes that do
        [f"nodes/training/{name}.py" for name in _OF_MODELS], ("graphflow_nodes.diffusion",)
    ),
    "nodes/toyworld/caption_fit.py": ("graphflow_nodes.evaluation.values",),  # its result is a score
    "nodes/training/buckets.py": ("graphflow_nodes.dataset.values",),  # curated clips come to buckets
    "nodes/training/captions.py": ("graphflow_nodes.dataset.values",),  # and get trigger words
    "nodes/training/save.py": ("graphflow_nodes.media.files",),
    "nodes/training/preferences.py": (
        "graphflow_nodes.diffusion.values",
        "graphflow_nodes.evaluation.values",
        "graphflow_nodes.media.files",
    ),
    "nodes/training/sheet.py": ("graphflow_nodes.media.sheet",),
    "nodes/training/effect.py": ("graphflow_nodes.evaluation.values",),  # its results are scores
}
"""Files of packs that may import more, and what."""


def test_the_engine_imports_torch_only_inside_functions() -> None:
    for path in [*ENGINE, *NODES]:
        if path in NODES and path.parent.name not in ("nodes", "std", "media"):
            continue
        heavy = {name for name, _ in imports(parsed(path), everywhere=False)} & {
            "torch",
            "diffusers",
            "transformers",
            "accelerate",
            "peft",
        }
        assert not heavy or path in NODES, f"{short(path)} imports {heavy}"


def test_everything_that_plans_is_imported_without_torch() -> None:
    program = (
        "import sys\n"
        "for name in ('torch', 'diffusers', 'transformers', 'accelerate', 'peft'): sys.modules[name] = None\n"
        "import graphflow.api, graphflow.cli.main\n"
        "from graphflow.registry import load_registry\n"
        "found = load_registry()\n"
        "assert not found.failures, found.failures\n"
        "assert len(found.specs) > 20\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_files_and_functions_stay_short() -> None:
    for path in [*ENGINE, *NODES]:
        assert len(path.read_text("utf-8").splitlines()) <= MAX_FILE, short(path)
        for part in ast.walk(parsed(path)):
            if isinstance(part, (ast.FunctionDef, ast.AsyncFunctionDef)) and part.end_lineno is not None:
                length = part.end_lineno - part.lineno + 1
                assert length <= MAX_FUNCTION, f"{short(path)}:{part.lineno} {part.name} has {length} lines"


BORDERS = {
    "graphflow/errors.py": 1,  # describing an error whose own text fails
    "graphflow/registry.py": 1,  # packs
    "graphflow/signature.py": 1,  # types that pydantic cannot check
    "graphflow/graph.py": 1,  # upgrades of packs
    "graphflow/checks.py": 2,  # nodes that fold, choose, read outside or check
    "graphflow/execute.py": 2,  # nodes that run; effects that say whether they stand
    "graphflow/runners/child.py": 1,  # the message loop of a worker
    "graphflow/limited.py": 1,  # decoders of media that strangers sent
    "graphflow/server/dispatch.py": 1,  # one run; the queue goes on
    "graphflow/server/session.py": 1,  # the message loop of a client
    "graphflow/server/probe.py": 1,  # decoders of media that strangers sent
    "graphflow/cli/main.py": 1,  # whatever went wrong, a person gets one line
    "graphflow/cli/doctor.py": 1,  # a broken library must not hide the other findings
}
"""Broad excepts by file, those left out that raise again: all of them border on foreign code."""


def broad_excepts(path: Path) -> list[int]:
    found = []
    for part in ast.walk(parsed(path)):
        if isinstance(part, ast.ExceptHandler):
            names = (
                {"BaseException"}
                if part.type is None
                else set(ast.unparse(part.type).strip("()").split(", "))
            )
            raises_again = any(isinstance(p, ast.Raise) and p.exc is None for p in ast.walk(part))
            if names & {"Exception", "BaseException"} and not raises_again:
                found.append(part.lineno)
    return found


def test_broad_excepts_stand_at_the_borders_only() -> None:
    found = {short(path): len(lines) for path in [*ENGINE, *NODES] if (lines := broad_excepts(path))}
    assert found == BORDERS


def test_no_globals_no_pickle_no_eval_and_no_paths_of_one_machine() -> None:
    for path in [*ENGINE, *NODES]:
        tree = parsed(path)
        for part in ast.walk(tree):
            assert not isinstance(part, ast.Global), f"{short(path)}:{part.lineno} uses global"
            if isinstance(part, ast.Call) and isinstance(part.func, ast.Name):
                assert part.func.id not in ("eval", "exec", "__import__"), f"{short(path)}:{part.lineno}"
            if isinstance(part, ast.Constant) and isinstance(part.value, str):
                words = ("/home/", "/work/", "/root/", "/Users/", "C:\\")
                assert not part.value.startswith(words), f"{short(path)}:{part.lineno} {part.value!r}"
        roots = {name.partition(".")[0] for name, _ in imports(tree)}
        assert not roots & {"pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal"}, short(path)


def test_every_package_is_installed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]
    folders = {
        path.parent.relative_to(ROOT) for path in [*ENGINE, *NODES, ROOT / "workflows" / "__init__.py"]
    }
    names = {".".join(folder.parts) for folder in folders if (ROOT / folder / "__init__.py").is_file()}
    renamed = {
        name.replace("nodes", "graphflow_nodes", 1).replace("workflows", "graphflow_workflows", 1)
        if not name.startswith("graphflow")
        else name
        for name in names
    }
    assert renamed == set(project["packages"])
    assert len(folders) == len(names), "every folder with code is a package"


BESIDE_MODELS = [
    path
    for path in NODES
    if "diffusion" not in path.parts and path.parent != ROOT / "nodes/toyworld/training"
]
"""Nodes that may run while a model is loaded; the training of the embedded models is a program of its own."""

FACTORIES = {"zeros", "ones", "full", "rand", "randn", "linspace", "eye", "tensor", "empty"}


def test_tensors_say_their_numbers() -> None:
    """While a half-precision model is loaded, torch's default is another for all threads of the process; a
    node that runs meanwhile must not make other pixels."""
    for path in BESIDE_MODELS:
        for part in ast.walk(parsed(path)):
            if not (isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute)):
                continue
            owner = part.func.value
            if isinstance(owner, ast.Name) and owner.id == "torch" and part.func.attr in FACTORIES:
                said = {word.arg for word in part.keywords}
                assert said & {"dtype", None}, (
                    f"{short(path)}:{part.lineno} torch.{part.func.attr} without dtype"
                )
