"""Every public name says what it does, what it takes with which shapes, what it raises, and whose it is."""

import ast
import importlib
import inspect
import re
import textwrap

import pytest

PACKAGES = (  # those of the site's reference
    "edgewise",
    "edgewise.wrappers",
    "edgewise.wrappers.vector",
    "edgewise.grading",
    "edgewise.agents",
    "edgewise.agents.soar",
    "edgewise.agents.integrations",
    "edgewise.benchmarks.evaluation",
)
ARRAY = re.compile(r"NDArray|Floats|Ints|Bools|Tensor\b")
SHAPE = re.compile(r"\((?:[A-Z]\w*|num_\w+|\d+)(?:, ?[\w ]+)*,?\)|\bshape\b")
ARXIV = re.compile(r"\b\d{4}\.\d{5}\b")
UNNAMED = ("self", "cls", "args", "kwargs")
USUAL = {  # what means the same everywhere, as Gymnasium or the house's list of names has it
    "rng", "seed", "options", "action", "actions", "state", "prompts", "completions", "sampling", "signal",
}  # fmt: skip
UNITS = {  # what has a unit, by its name, and how the unit is said
    r"seconds|timeout|delay|deadline|patience": r"second|[Vv]alidations",
    r"max_tokens|num_tokens|max_prompt|max_completion|max_length": r"token|character",
    r"memory|num_bytes|max_bytes": r"byte|GB|memory",
    r"max_chars|num_chars|max_characters": r"character",
}
OWN = {"Frontier", "Random", "RandomProblems", "Subset"}  # ours, and what others are told from


def has_array(kind):
    """Whether an annotation is of arrays, and not of an environment or of weights by name."""
    return ARRAY.search(kind) is not None and "Env[" not in kind and "dict[str" not in kind


def public():
    """Yield the full name and the object of every class and function that is exported, once each."""
    seen = set()
    for package in PACKAGES:
        module = importlib.import_module(package)
        for name in module.__all__:
            try:
                found = getattr(module, name)
            except ImportError:  # of an extra that is not here
                continue
            is_ours = inspect.isclass(found) or inspect.isfunction(found)
            if is_ours and found.__module__.startswith("edgewise") and found not in seen:
                seen.add(found)
                yield f"{package}.{name}", found


def functions(name, owner):
    """Yield the public functions of an object that are written in it."""
    if inspect.isfunction(owner):
        yield name, owner
        return
    for own, found in vars(owner).items():
        found = found.fget if isinstance(found, property) else getattr(found, "__func__", found)
        is_public = not own.startswith("_") or own == "__init__"
        is_ours = inspect.isfunction(found) and found.__module__.startswith("edgewise")
        if is_public and is_ours and "<string>" not in found.__code__.co_filename:
            yield f"{name}.{own}", found


@pytest.fixture(scope="module")
def written():
    """All of them: name, docstring, that of the owner, function and syntax tree."""
    pytest.importorskip("torch")
    pytest.importorskip("tyro")
    found = []
    for name, owner in public():
        for place, function in functions(name, owner):
            tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
            text = inspect.getdoc(function) or ""
            found.append((place, text, inspect.getdoc(owner) or "", function, tree))
    assert len(found) > 300
    return found


def test_every_public_name_has_a_docstring(written):
    assert [name for name, owner in public() if not inspect.getdoc(owner)] == []
    assert [name for name, text, *_ in written if not text] == []


def test_what_a_function_raises_is_documented(written):
    lacking = []
    for name, text, _, _, tree in written:
        raised = {
            node.exc.func.id
            for node in ast.walk(tree)
            if isinstance(node, ast.Raise)
            and isinstance(node.exc, ast.Call)
            and isinstance(node.exc.func, ast.Name)
        }
        section = text if text.startswith("Raise ") else text.partition("Raises:")[2]
        if raised and not section:
            lacking.append((name, sorted(raised)))
    assert lacking == []


def test_where_arguments_are_listed_all_are(written):
    lacking = []
    for name, text, _, function, _ in written:
        section = text.partition("Args:")[2]
        names = [one for one in inspect.signature(function).parameters if one not in UNNAMED]
        missing = [one for one in names if not re.search(rf"\b{one}\b", section)]
        if section and missing:
            lacking.append((name, missing))
    assert lacking == []


def inherited(name, owner, function):
    """The docstrings that speak of a function: its own, its class's, and those of what it overrides."""
    texts = [inspect.getdoc(function) or "", inspect.getdoc(owner) or ""]
    for above in inspect.getmro(owner)[1:] if inspect.isclass(owner) else ():
        found = vars(above).get(name.rpartition(".")[2])
        found = found.fget if isinstance(found, property) else getattr(found, "__func__", found)
        texts += [inspect.getdoc(found) or ""] if inspect.isfunction(found) else []
    return "\n".join(texts)


def parameters():
    """Yield the name of each public function, its parameters but the usual ones, and what is said of it."""
    for name, owner in public():
        for place, function in functions(name, owner):
            names = inspect.signature(function).parameters.keys() - {*UNNAMED, *USUAL}
            yield place, function, sorted(names), inherited(place, owner, function)


def test_every_parameter_is_spoken_of():
    pytest.importorskip("torch")
    found = list(parameters())
    lacking = [
        (place, name)
        for place, _, names, text in found
        for name in names
        if not re.search(rf"\b{name}\b", text)
    ]
    assert lacking == [] and len(found) > 300


def test_times_and_sizes_have_their_units():
    pytest.importorskip("torch")
    lacking = [
        (place, name)
        for place, _, names, text in parameters()
        for name in names
        if (unit := next((unit for stem, unit in UNITS.items() if re.search(stem, name)), None))
        and not re.search(unit, f"{name} {text}".replace("_", " "))
    ]
    lacking += [
        (f"{name}.{field}", unit)
        for name, owner in public()
        if inspect.isclass(owner) and "__dataclass_fields__" in vars(owner)
        for field in owner.__dataclass_fields__
        for stem, unit in UNITS.items()
        if re.search(stem, field)
        and not re.search(unit, f"{field} {comment_of(owner, field)}".replace("_", " "))
    ]
    assert lacking == []


def comment_of(owner, field):
    """What a dataclass says of a field: below it, beside it or in its own docstring."""
    text = inspect.getdoc(owner) or ""
    for kind in inspect.getmro(owner):
        if "__dataclass_fields__" in vars(kind) and field in kind.__annotations__:
            source = inspect.getsource(kind)
            own = re.search(rf"\n    {field}:.*\n(?:    \"\"\"(?:.|\n)*?\"\"\")?", source)
            return text + (own[0] if own else "")
    return text


def test_functions_on_arrays_say_shapes(written):
    lacking = [
        name
        for name, text, owner, function, _ in written
        if any(has_array(str(kind)) for kind in function.__annotations__.values())
        and not SHAPE.search(text + owner)
    ]
    assert lacking == []


def test_rules_name_their_paper():
    from edgewise.wrappers import CURRICULA, PROBLEM_CURRICULA

    lacking = [
        kind.__name__
        for kind in {**CURRICULA, **PROBLEM_CURRICULA}.values()
        if not ARXIV.search(f"{kind.__doc__} {inspect.getmodule(kind).__doc__} {kind.paper}")
        and kind.__name__ not in OWN
        and not kind.__name__.startswith("Marin")  # of released code, which its module names
    ]
    assert lacking == []


def test_algorithms_name_their_paper():
    pytest.importorskip("torch")
    from edgewise.agents.algorithms.catalogue import ALGORITHMS

    for algorithm in ALGORITHMS.values():
        module = inspect.getmodule(algorithm.config)
        assert ARXIV.search(module.__doc__) or ARXIV.search(algorithm.config.__doc__), module
