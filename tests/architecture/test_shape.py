"""Simple has a figure; going over one needs a decision record."""

import ast
import io
import statistics
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.tree import (
    PACKAGES,
    PYPROJECT,
    files_on_the_wire,
    functions,
    grpc_services,
    is_in,
    name_of,
    parse,
    public_functions,
    rest_operations,
    sources,
)

FUNCTION_LINES_MAX = 60
SHORT_FUNCTION_LINES = 30
SHORT_FUNCTIONS_MIN = 0.9
MEDIAN_FUNCTION_LINES_MAX = 10
FILE_LINES_MAX = 400
# What is counted: docs/decisions/0009-what-the-figures-of-simple-count.md; the figure: 0016
CHASSIS_LINES_MAX = 2_100
# docs/decisions/0017-what-the-whole-may-weigh-with-its-pages.md
LINES_MAX = 19_000
DEPENDENCIES_MAX = 22
RPCS_MAX = 15
REST_OPERATIONS_MAX = 70

# A migration is a record of what was done once: a list, and nobody's reading.
SHAPED = [path for path in sources() if not is_in(path, "migrations")]
RULES = [path for path in SHAPED if is_in(path, "use_cases", "queries", "domain")]
NO_CODE = {
    tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER
}  # fmt: skip
FLOATING = {"float", "Float", "Double", "REAL", "Numeric", "Decimal"}


def lengths() -> dict[str, int]:
    """Return the lines of every function, from its def to its end."""
    return {
        f"{name_of(path)}:{found.lineno} {found.name}": (found.end_lineno or found.lineno) - found.lineno + 1
        for path in SHAPED
        for found in functions(path)
    }


def code_lines(*folders: str) -> int:
    """Count the lines below some folders that hold code: docs/decisions/0009 says why those."""
    return sum(len(lines_of_code(path)) for path in sources(*folders) if path in SHAPED)


def lines_of_code(path: Path) -> set[int]:
    """Return the numbers of the lines of a file that are no comment, no docstring and not blank."""
    found: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(path.read_text()).readline):
        if token.type not in NO_CODE:
            found.update(range(token.start[0], token.end[0] + 1))
    for docstring in docstrings(parse(path)):
        found.difference_update(range(docstring.lineno, (docstring.end_lineno or docstring.lineno) + 1))
    return found


def docstrings(tree: ast.Module) -> Iterator[ast.Expr]:
    """Yield what stands by itself as a string and so only explains."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node


def test_no_function_is_long():
    """Sixty lines are a wall."""
    assert {name: length for name, length in lengths().items() if length > FUNCTION_LINES_MAX} == {}


def test_nine_functions_of_ten_fit_a_glance():
    """Fewer than 30 lines can be seen at once."""
    found = lengths()
    long = {name: length for name, length in found.items() if length >= SHORT_FUNCTION_LINES}
    assert len(long) <= (1 - SHORT_FUNCTIONS_MIN) * len(found), long


def test_functions_are_short():
    """The one in the middle has ten lines at most."""
    assert statistics.median(lengths().values()) <= MEDIAN_FUNCTION_LINES_MAX


def test_no_file_is_long():
    """A file has one subject."""
    long = {name_of(path): count for path in SHAPED if (count := len(path.read_text().splitlines())) >= FILE_LINES_MAX}
    assert long == {}


def test_the_chassis_stays_small():
    """Plumbing that nobody can read in an hour is a framework."""
    assert code_lines("chassis") <= CHASSIS_LINES_MAX


def test_the_whole_stays_small():
    """Tests, measurements and generated code do not count."""
    assert code_lines(*PACKAGES) <= LINES_MAX


def test_dependencies_are_few():
    """Each has its reason beside it in pyproject.toml."""
    assert len(PYPROJECT["project"]["dependencies"]) <= DEPENDENCIES_MAX


def test_services_are_small():
    """A service with more methods is two services."""
    assert {found.name: len(found.methods) for found in grpc_services() if len(found.methods) > RPCS_MAX} == {}


def test_rest_operations_can_be_learned():
    """Every operation is one more thing to know."""
    assert len(rest_operations()) <= REST_OPERATIONS_MAX


def test_money_never_floats_in_the_code():
    """A column, field or argument named ..._minor holds whole numbers."""
    assert [found for path in SHAPED for found in floating_money(path)] == []


def test_money_never_floats_on_the_wire():
    """A field named ..._minor is an int64."""
    fields = [
        field
        for file in files_on_the_wire()
        for message in file.message_types_by_name.values()
        for field in message.fields
    ]
    money = [field for field in fields if field.name.endswith("_minor")]
    assert money
    assert [field.full_name for field in money if field.type != field.TYPE_INT64] == []


@pytest.mark.parametrize("path", RULES, ids=name_of)
def test_every_rule_says_what_it_does(path: Path):
    """A public function of a use case, query or domain has a docstring."""
    assert [found.name for found in public_functions(path) if not ast.get_docstring(found)] == []


def floating_money(path: Path) -> Iterator[str]:
    """Yield the places of a file where an amount of money is not whole."""
    for node in ast.walk(parse(path)):
        if (name := declared_name(node)) and name.endswith("_minor") and FLOATING & names_in(node):
            yield f"{name_of(path)}:{node.lineno} {name}"


def declared_name(node: ast.AST) -> str | None:
    """Return the name that a node declares: x: T, def f(x: T) or Column("x", T)."""
    match node:
        case ast.AnnAssign(target=ast.Name(id=name)) | ast.arg(arg=name):
            return name
        case ast.Call(args=[ast.Constant(value=str(name)), *_]):
            return name
    return None


def names_in(node: ast.AST) -> set[str]:
    """Return every name that stands in a piece of code."""
    found = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
    return found | {part.attr for part in ast.walk(node) if isinstance(part, ast.Attribute)}


@pytest.mark.parametrize(
    "line", ["fee_minor: float = 0.0", "def pay(*, fee_minor: float | None): ...", 'sa.Column("fee_minor", sa.Float())']
)
def test_floating_money_is_seen(line: str):
    """The search above must not pass because it is blind."""
    found = [node for node in ast.walk(ast.parse(line)) if (declared_name(node) or "").endswith("_minor")]
    assert FLOATING & set().union(*map(names_in, found))
