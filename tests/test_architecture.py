"""How the house is built, checked on its source: the arrows, where SQL stands, who owns a transaction.

Each rule is a function over the shop's files that yields what breaks it, and stands beside a small breach that it
must catch: a rule that cannot fail proves nothing. No database here.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

import pytest

import config
from tests.sources import OURS, PACKAGES, Function, Source, docstrings, dotted, read_shop

# Each layer may import those before it; what shares a layer does not know each other.
LAYERS = [{"utils"}, {"auth", "products"}, {"cart"}, {"orders"}, {"payments"}, {"admin"}, {"main"}, {"app"}]
LAYER = {package: place for place, layer in enumerate(LAYERS) for package in layer}
GROUND = {"config", "extensions"}
SIMULATOR = "payments/simulator"  # plays the provider: its verbs are the wire's, and named after it
MADE_TO_BE_NAMED = {"auth.decorators", "auth.signals"}
VIEW_FILES = {"routes.py", "pages.py"}

SQL = re.compile(
    r"%\(\w+\)s"
    r"|^\s*(SELECT\s|INSERT\s+(IGNORE\s+)?INTO\s|UPDATE\s+\w+\s+SET\s|DELETE\s+FROM\s|REPLACE\s+INTO\s"
    r"|(CREATE|ALTER|DROP|TRUNCATE)\s+(TABLE|INDEX|DATABASE)\s|SET\s+SESSION\s|START\s+TRANSACTION|COMMIT\b|ROLLBACK\b"
    r"|WHERE\s+\w+|ORDER\s+BY\s)"
)
WRITES = re.compile(r"\b(?:INSERT\s+(?:IGNORE\s+)?INTO|UPDATE|DELETE\s+FROM)\s+([a-z_]+)")

Rule = Callable[[Sequence[Source]], Iterator[str]]
Breach = dict[str, str]

RULES: list[tuple[Rule, Breach]] = []


def caught_in(breach: Breach) -> Callable[[Rule], Rule]:
    """Enter a rule into the table, with files that break it."""

    def enter(check: Rule) -> Rule:
        RULES.append((check, breach))
        return check

    return enter


def at(source: Source, node: ast.AST, complaint: str) -> str:
    return f"{source.path}:{getattr(node, 'lineno', 1)}: {complaint}"


def imports_of_ours(tree: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            # `from auth import decorators` imports auth.decorators
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        yield from ((node, name) for name in names if name.partition(".")[0] in OURS)


def strings(source: Source) -> Iterator[ast.Constant]:
    apart = docstrings(source.tree)
    return (
        node
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in apart
    )


def by_place(function: Function) -> list[ast.arg]:
    return [*function.args.posonlyargs, *function.args.args]


def takes_tx(function: Function) -> bool:
    return any(argument.arg == "tx" for argument in [*by_place(function), *function.args.kwonlyargs])


def takes_tx_first(function: Function) -> bool:
    return [argument.arg for argument in by_place(function)[:1]] == ["tx"]


def opens_transaction(function: Function) -> bool:
    return any(dotted(decorator).endswith("in_transaction") for decorator in function.decorator_list)


def calls(function: Function) -> Iterator[ast.Call]:
    return (node for node in ast.walk(function) if isinstance(node, ast.Call))


def called(source: Source, call: ast.Call) -> str:
    """Return the full name of what is called, as far as names tell: `products.stock_services.take_tx`."""
    head, _, rest = dotted(call.func).partition(".")
    if head in source.imports:
        return f"{source.imports[head]}.{rest}".rstrip(".")
    return f"{source.module}.{head}" if not rest else f"{head}.{rest}"


# --- the arrows


@caught_in(
    {
        "products/services.py": "from cart import services as cart",
        "utils/x.py": "import auth.services",
        "config.py": "import utils.db",
    }
)
def imports_point_one_way(shop: Sequence[Source]) -> Iterator[str]:
    for source in shop:
        for node, name in imports_of_ours(source.tree):
            package = name.partition(".")[0]
            seen_by_all_views = name.startswith("auth.decorators") and source.name in VIEW_FILES
            if package == source.package or seen_by_all_views:
                continue
            if source.package in GROUND or (package not in GROUND and LAYER[package] >= LAYER[source.package]):
                yield at(source, node, f"{source.package} may not import {package}")


@caught_in({"orders/services.py": "from products.stock_services import take_tx"})
def features_are_imported_as_modules(shop: Sequence[Source]) -> Iterator[str]:
    for source in shop:
        for node in ast.walk(source.tree):
            if not isinstance(node, ast.ImportFrom) or not node.module or "." not in node.module:
                continue
            package = node.module.partition(".")[0]
            apart = {"utils", source.package}
            if package in set(PACKAGES) - apart and node.module not in MADE_TO_BE_NAMED:
                yield at(source, node, f"write `from {package} import …`, so that each call shows whose it is")


@caught_in({"cart/services.py": "def f():\n    from products import services"})
def nothing_of_ours_is_imported_inside_a_function(shop: Sequence[Source]) -> Iterator[str]:
    for source in shop:
        for function in source.functions():
            for node, name in imports_of_ours(function):
                yield at(source, node, f"{name} is imported inside {function.name}")


@caught_in({"cart/services.py": "from flask import g", "cart/stock_services.py": "from utils import web"})
def services_know_nothing_of_the_web(shop: Sequence[Source]) -> Iterator[str]:
    web = re.compile(r"(flask|apiflask|flask_\w+|werkzeug|utils\.web|extensions)\b")
    for source in shop:
        if source.is_service or source.name == "states.py":
            for name in source.imports.values():
                if web.match(name):
                    yield f"{source.path}: imports {name}"


@caught_in({"auth/services.py": "import pymysql"})
def the_driver_is_known_to_utils_alone(shop: Sequence[Source]) -> Iterator[str]:
    for source in shop:
        if source.package != "utils":
            for name in source.imports.values():
                if name.partition(".")[0] in ("pymysql", "dbutils"):
                    yield f"{source.path}: imports {name}; use db.naming and the errors of utils.errors"


# --- where SQL stands


@caught_in(
    {
        "cart/routes.py": "ROWS = 'SELECT id FROM carts'",
        "cart/schemas.py": "FILTERS = {'q': 'p.name = %(q)s'}",
        "cart/handlers.py": "BY = 'ORDER BY p.id'",
    }
)
def sql_stands_in_services(shop: Sequence[Source]) -> Iterator[str]:
    for source in shop:
        if not source.may_hold_sql:
            for text in strings(source):
                if SQL.search(text.value):
                    yield at(source, text, f"SQL outside of services: {text.value.strip()[:60]!r}")


@caught_in(
    {"orders/services.py": 'SQL = "SELECT o.* FROM orders o"', "cart/services.py": 'SQL = "SELECT\\n * FROM carts"'}
)
def columns_are_named(shop: Sequence[Source]) -> Iterator[str]:
    everything = re.compile(r"\b(SELECT|DISTINCT)\s+(\w+\.)?\*|,\s*\w+\.\*")
    for source in shop:
        for text in strings(source):
            if everything.search(text.value):
                yield at(source, text, "name the columns instead of *")


@caught_in(
    {
        "orders/services.py": '"""Own it."""\nA = "UPDATE orders\\n SET paid = 1"',
        "payments/services.py": 'B = "INSERT INTO orders (id) VALUES (1)"',
    }
)
def each_table_is_written_by_one_package(shop: Sequence[Source]) -> Iterator[str]:
    writers: dict[str, dict[str, str]] = defaultdict(dict)
    for source in shop:
        if source.may_hold_sql:
            for text in strings(source):
                for table in WRITES.findall(text.value):
                    writers[table][source.package] = at(source, text, f"writes {table}")
    for places in writers.values():
        if len(places) > 1:
            yield "; ".join(places.values())


@caught_in(
    {
        "admin/services.py": 'A = "DELETE FROM audit_log"',
        "utils/audit.py": 'B = "UPDATE audit_log\\n SET action = 1"',
        "auth/services.py": 'C = "UPDATE users u JOIN audit_log al ON al.actor_id = u.id SET al.address = 1"',
    }
)
def the_audit_log_only_grows(shop: Sequence[Source]) -> Iterator[str]:
    changes = re.compile(r"^\s*(UPDATE|DELETE|REPLACE|TRUNCATE|ALTER|DROP)\b(?=[\s\S]*\baudit_log\b)", re.I)
    changes_what_is_there = re.compile(r"\baudit_log\b[\s\S]*\bON DUPLICATE KEY\b", re.I)
    for source in shop:
        for text in strings(source):
            if changes.search(text.value) or changes_what_is_there.search(text.value):
                yield at(source, text, "nothing changes or deletes an entry of the audit log")


# --- transactions


@caught_in({"cart/services.py": "def f(connection):\n    connection.commit()", "utils/x.py": "connection.begin()"})
def only_db_begins_commits_and_rolls_back(shop: Sequence[Source]) -> Iterator[str]:
    for source in shop:
        if source.path == "utils/db.py":
            continue
        for node in ast.walk(source.tree):
            is_end = isinstance(node, ast.Attribute) and node.attr in ("begin", "commit", "rollback")
            if is_end and dotted(node) != "trace.begin":
                yield at(source, node, f".{node.attr} stands in utils/db.py only")


@caught_in(
    {
        "cart/services.py": "def empty_tx(*, user_id): pass",
        "cart/x_services.py": "@db.in_transaction\ndef empty(*, tx): pass",
        "cart/y_services.py": "def empty(tx): pass",
    }
)
def a_name_tells_who_owns_the_transaction(shop: Sequence[Source]) -> Iterator[str]:
    for source in shop:
        for verb in source.verbs():
            opens, inside = opens_transaction(verb), verb.name.endswith("_tx")
            if (opens or inside) and not takes_tx_first(verb):
                yield at(source, verb, f"{verb.name} must take tx first")
            if opens and inside:
                yield at(source, verb, f"{verb.name} opens a transaction: its name must not end in _tx")
            if takes_tx(verb) and not (opens or inside or verb.name.startswith("_")):
                yield at(source, verb, f"{verb.name} runs in its caller's transaction: call it {verb.name}_tx")


@caught_in(
    {
        "orders/services.py": """
from products import stock_services as stock
def place_tx(tx): stock.restock(variant_id=1)
""",
        "products/stock_services.py": """
@db.in_transaction
def restock(tx, *, variant_id): pass
@db.in_transaction
def restock_all(tx): restock(variant_id=1)
""",
    }
)
def transactions_do_not_nest(shop: Sequence[Source]) -> Iterator[str]:
    openers = {f"{source.module}.{verb.name}" for source in shop for verb in source.verbs() if opens_transaction(verb)}
    for source in shop:
        for function in source.functions():
            for call in calls(function) if takes_tx(function) else ():
                if (name := called(source, call)) in openers or name == "utils.db.reading":
                    yield at(source, call, f"{function.name} holds a transaction and calls {name}")


@caught_in(
    {
        "payments/services.py": """
from payments import daraja
import requests
def settle_tx(tx): daraja.push()
def settle_more_tx(tx): requests.post("x")
""",
        "payments/daraja.py": "import requests\ndef push(): requests.post('x')",
    }
)
def nothing_outside_is_called_in_a_transaction(shop: Sequence[Source]) -> Iterator[str]:
    ways_out = {"requests", "smtplib", "urllib.request", "http.client", "subprocess"}
    ways_out |= {source.module for source in shop if ways_out & set(source.imports.values())}
    for source in shop:
        for function in source.functions():
            for call in calls(function) if takes_tx(function) else ():
                if (name := called(source, call)).rpartition(".")[0] in ways_out:
                    yield at(source, call, f"{function.name} holds a transaction and calls {name}")


# --- files, views and words


@caught_in({"cart/routes.py": "def view():\n    try:\n        pass\n    finally:\n        pass"})
def views_leave_errors_to_the_one_place(shop: Sequence[Source]) -> Iterator[str]:
    for source in shop:
        if source.name in VIEW_FILES:
            for node in ast.walk(source.tree):
                if isinstance(node, ast.Try | ast.TryStar):
                    yield at(source, node, "a view has no try; raise and catch in services")


@caught_in({"cart/__init__.py": "from cart import services"})
def packages_say_nothing_of_themselves(shop: Sequence[Source]) -> Iterator[str]:
    for source in shop:
        if source.name == "__init__.py" and source.text:
            yield f"{source.path}: must be empty"


@caught_in(
    {
        "cart/services.py": "def list_items(): pass",
        "cart/schemas.py": '"""Models."""\ndef read_it():\n    """Returns it."""',
    }
)
def verbs_say_what_they_do(shop: Sequence[Source]) -> Iterator[str]:
    for source in shop:
        if source.name != "__init__.py" and not ast.get_docstring(source.tree):
            yield f"{source.path}: begins without a docstring of what it owns"
        for verb in source.verbs():
            if verb.name.startswith("_") or source.path.startswith(SIMULATOR):
                continue
            first = (ast.get_docstring(verb) or "").partition(" ")[0]
            if not first:
                yield at(source, verb, f"{verb.name} has no docstring")
            elif re.fullmatch(r"The|This|A|An|\w+[^s]s", first):
                yield at(source, verb, f"{verb.name}: begin with the verb, as a command, not with {first!r}")


@caught_in({"cart/services.py": 'logger.info(f"cart {cart_id} emptied")'})
def log_messages_are_constant(shop: Sequence[Source]) -> Iterator[str]:
    lines = {f"logger.{level}" for level in ("debug", "info", "warning", "error", "critical", "exception")}
    for source in shop:
        for node in ast.walk(source.tree):
            is_line = isinstance(node, ast.Call) and dotted(node.func) in lines
            if is_line and [type(argument) for argument in node.args] != [ast.Constant]:
                yield at(source, node, "the message is one constant; facts are keys")


# --- the tests


@pytest.mark.parametrize("check", [pytest.param(check, id=check.__name__) for check, _ in RULES])
def test_the_shop_keeps_the_rule(check: Rule) -> None:
    assert list(check(read_shop())) == []


@pytest.mark.parametrize(("check", "breach"), [pytest.param(*pair, id=pair[0].__name__) for pair in RULES])
def test_the_rule_catches_each_breach(check: Rule, breach: Breach) -> None:
    shop = [Source(path, text) for path, text in breach.items()]
    caught = "\n".join(check(shop))
    guilty = [source.path for source in shop if source.path in caught]
    innocent = {"payments/daraja.py"}  # stands there to be called
    assert set(guilty) == set(breach) - innocent


def test_every_package_has_its_layer() -> None:
    assert {"app", *PACKAGES} == LAYER.keys()
    assert {path.parent.name for path in config.ROOT.glob("*/__init__.py")} == {*PACKAGES}
