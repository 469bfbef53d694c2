"""The house rules, as programs."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "offkey"
MODULES = sorted(SOURCE.rglob("*.py"))

# From the top of the house to its bottom: a room may import those above it, and its own modules.
ROOMS = [
    "version", "errors", "files", "extras", "parameters", "progress", "recordings", "signals", "rotation", "encoders",
    "features", "windows", "statistics", "attribution", "profile", "networks", "detectors", "decisions", "bundle",
    "pipeline", "recipes", "datasets", "evaluation", "explain", "plots", "report", "drift", "cli",
]  # fmt: skip

FORBIDDEN_NAMES = {"utils", "helpers", "common", "core", "misc", "manager"}
LONGEST_MODULE = 400
LONGEST_FUNCTION = 60
MOST_PUBLIC_METHODS = 12

# What detectors that are made of others take by default, and what makes others comparable; what front ends that work
# frame by frame share.
SIBLINGS_USED = {
    "ensemble": ("comparable", "gaussian", "neighbors"),
    "states": ("comparable", "gaussian"),
    "spectrum": ("bands", "frames"),
    "envelope": ("bands", "frames"),
    "waveform": ("frames",),
    "raw": ("frames",),
    "correlation": ("frames",),
}

# name: reason
LONG_FUNCTIONS: dict[str, str] = {}


def name_of(path):
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path, *, at_import_time):
    """Modules of offkey that a file imports."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = ast.walk(tree)
    if at_import_time:
        nodes = [
            node for statement in tree.body if not _is_type_checking(statement) for node in _not_in_functions(statement)
        ]
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "offkey":
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                is_module = (SOURCE.parent / Path(*full.split("."))).with_suffix(".py").exists() or (
                    SOURCE.parent / Path(*full.split("."))
                ).is_dir()
                yield full if is_module else node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "offkey")


def _is_type_checking(statement):
    return isinstance(statement, ast.If) and "TYPE_CHECKING" in ast.dump(statement.test)


def _not_in_functions(statement):
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return []
    return list(ast.walk(statement))


def room(module):
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else None


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_point_up_the_list_only(path):
    own = room(name_of(path))
    if own is None or own == "__main__":
        return
    for imported in imports(path, at_import_time=False):
        other = room(imported)
        assert other is not None, f"{name_of(path)} imports the whole package"
        assert ROOMS.index(other) <= ROOMS.index(own), f"{name_of(path)} imports {imported}, which is further down"


def test_no_import_goes_in_a_circle():
    graph = {name_of(path): set(imports(path, at_import_time=True)) - {name_of(path)} for path in MODULES}
    done, under_way = set(), []

    def visit(module):
        assert module not in under_way, f"circle: {' -> '.join([*under_way, module])}"
        if module in done or module not in graph:
            return
        under_way.append(module)
        for other in graph[module]:
            if other != module.rpartition(".")[0]:
                visit(other)
        under_way.pop()
        done.add(module)

    for module in graph:
        visit(module)


@pytest.mark.parametrize("folder", ["features", "detectors"])
def test_siblings_import_base_and_nothing_else_of_each_other(folder):
    for path in (SOURCE / folder).glob("*.py"):
        if path.name == "__init__.py":
            continue
        siblings = {name for name in imports(path, at_import_time=False) if name.startswith(f"offkey.{folder}.")}
        allowed = {f"offkey.{folder}.{name}" for name in ("base", *SIBLINGS_USED.get(path.stem, ()))}
        assert siblings <= allowed, name_of(path)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_modules_are_short_and_named_for_what_they_do(path):
    assert path.stem not in FORBIDDEN_NAMES
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST_MODULE


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_functions_are_short(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            length = body[-1].end_lineno - body[0].lineno + 1 if body else 0
            assert length <= LONGEST_FUNCTION or node.name in LONG_FUNCTIONS, f"{node.name} has {length} lines"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_classes_have_few_public_methods(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ClassDef):
            public = [item for item in node.body if isinstance(item, ast.FunctionDef) and item.name[0] != "_"]
            assert len(public) <= MOST_PUBLIC_METHODS, node.name


def all_classes():
    import importlib

    for path in MODULES:
        if path.stem == "__main__":
            continue
        module = importlib.import_module(name_of(path))
        for thing in vars(module).values():
            if isinstance(thing, type) and thing.__module__ == module.__name__:
                yield thing


def test_every_class_is_abstract_or_final():
    for kind in all_classes():
        if not kind.__subclasses__():
            continue
        subclassed_in_offkey = [sub for sub in kind.__subclasses__() if sub.__module__.startswith("offkey.")]
        is_abstract = bool(getattr(kind, "__abstractmethods__", ()))
        has_no_own_state = kind.__name__ == "Parameterized" or issubclass(kind, Exception)
        assert not subclassed_in_offkey or is_abstract or has_no_own_state, f"{kind} is subclassed, but not abstract"


def test_no_concrete_method_is_overridden():
    for kind in all_classes():
        if issubclass(kind, Exception):
            continue
        for name, method in vars(kind).items():
            if name in ("__init__", "__repr__", "__getstate__", "__setstate__") or not callable(method):
                continue
            for base in kind.__mro__[1:]:
                if base.__module__.startswith("offkey") and name in vars(base):
                    assert getattr(vars(base)[name], "__isabstractmethod__", False), f"{kind.__name__}.{name}"


@pytest.mark.parametrize("path", [path for path in MODULES if path.stem != "__main__"], ids=name_of)
def test_every_module_says_what_is_public(path):
    import importlib

    module = importlib.import_module(name_of(path))
    if path.name == "__init__.py" and path.parent.name == "cli":
        return
    assert module.__all__ == sorted(module.__all__, key=lambda name: (not name.isupper(), not name[0].isupper(), name))
    for name in module.__all__:
        assert hasattr(module, name), name


def test_the_library_neither_prints_nor_pickles():
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id != "print", name_of(path)
            if isinstance(node, ast.Import):
                tops = {alias.name.partition(".")[0] for alias in node.names}
                assert not {"pickle", "dill", "joblib"} & tops, name_of(path)
            if isinstance(node, ast.ImportFrom):  # of joblib, what runs in processes: it writes no files
                top, names = (node.module or "").partition(".")[0], {alias.name for alias in node.names}
                assert top not in {"pickle", "dill"}, name_of(path)
                assert top != "joblib" or names <= {"Parallel", "delayed"}, name_of(path)
            if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
                assert isinstance(node.value, ast.Constant), name_of(path)
                assert node.value.value is False, name_of(path)
