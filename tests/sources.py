"""The shop's own source, read and parsed for the tests that judge it: test_architecture.py and test_sql.py."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

import config

PACKAGES = ("utils", "auth", "products", "cart", "orders", "payments", "admin", "main")
TOP_MODULES = ("app", "config", "extensions")
OURS = {*PACKAGES, *TOP_MODULES}

# The modules of utils that own a table, or the server itself, and so may hold SQL.
OWN_TABLE_MODULES = {
    "utils/audit.py",  # audit_log
    "utils/db.py",  # the session's settings
    "utils/verbs.py",  # savepoints
    "utils/idempotency.py",  # idempotency_keys
    "utils/migrations.py",  # yoyo's tables, GET_LOCK
    "utils/outbox.py",  # outbox_events
    "utils/private_server.py",  # the account and the database
    "utils/worker.py",  # heartbeats
}

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Source:
    """One Python file of ours, by its path from the root."""

    path: str
    text: str

    @functools.cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @property
    def module(self) -> str:
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @property
    def package(self) -> str:
        return self.module.partition(".")[0]

    @property
    def name(self) -> str:
        return PurePosixPath(self.path).name

    @property
    def is_service(self) -> bool:
        return self.name == "services.py" or self.name.endswith("_services.py")

    @property
    def may_hold_sql(self) -> bool:
        return self.is_service or self.path in OWN_TABLE_MODULES

    @functools.cached_property
    def imports(self) -> dict[str, str]:
        """What each imported name stands for, dotted: `{"stock": "products.stock_services"}`."""
        found: dict[str, str] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                found |= {alias.asname or alias.name.partition(".")[0]: alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                found |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
        return found

    def functions(self) -> Iterator[Function]:
        return (node for node in ast.walk(self.tree) if isinstance(node, Function))

    def verbs(self) -> Iterator[Function]:
        """The functions at the top of the module."""
        return (node for node in self.tree.body if isinstance(node, Function))


@functools.cache
def read_shop() -> tuple[Source, ...]:
    """Return every Python file of the application; tests and tools are not part of it."""
    paths = [config.ROOT / f"{module}.py" for module in TOP_MODULES]
    paths += [path for package in PACKAGES for path in sorted((config.ROOT / package).rglob("*.py"))]
    return tuple(Source(path.relative_to(config.ROOT).as_posix(), path.read_text()) for path in paths)


def dotted(node: ast.AST) -> str:
    """Return `a.b.c` for names and attributes, else an empty string."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (left := dotted(node.value)):
        return f"{left}.{node.attr}"
    return ""


def docstrings(tree: ast.Module) -> set[ast.Constant]:
    """Return the constants that are docstrings."""
    holders = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return {
        node.body[0].value
        for node in ast.walk(tree)
        if isinstance(node, holders)
        and node.body
        and isinstance(node.body[0], ast.Expr)
        and isinstance(node.body[0].value, ast.Constant)
    }
