"""Finds every SQL statement that a module can send, by reading its source.

A call of a database verb holds its SQL as a literal, a name bound to literals (in the function or at the top of the
module), a conditional of two such, a sum of such, or a value of a literal dict; a `{place}` in it is filled by a
keyword that is one of those, db.where(FRAGMENTS, …), db.set_clause(COLUMNS, …), db.in_list("name", …),
db.Fragment("…", …), or a call of a function of ours that returns one of those. What cannot be read so is an error,
with the place and the reason: SQL that no test can see is SQL that nobody has tried.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tests.sources import Function, Source, dotted

VERBS = {"fetch_all", "fetch_one", "require_one", "fetch_value", "execute", "execute_one", "insert", "insert_many"}
PLACE = re.compile(r"\{(\w+)\}")
DEEPEST = 12


class Unreadable(Exception):
    """SQL whose text cannot be told from the source."""


@dataclass(frozen=True)
class Scope:
    """Where a name is looked up: a function, its module, and the rest of the house."""

    source: Source
    function: Function | None
    shop: Sequence[Source] = field(repr=False)
    depth: int = 0

    def into(self, source: Source, function: Function | None) -> Scope:
        if self.depth > DEEPEST:
            raise Unreadable("is passed on too often to be followed")
        return Scope(source, function, self.shop, self.depth + 1)


@dataclass(frozen=True)
class Statement:
    """One statement as it can be sent, ready to be PREPAREd."""

    place: str
    sql: str


def statements_of(source: Source, shop: Sequence[Source]) -> Iterator[Statement | Unreadable]:
    """Yield every statement of a module, in every variant; an Unreadable where one cannot be told."""
    for function, call in _calls(source.tree, None):
        place = f"{source.path}:{call.lineno}"
        try:
            for text in _variants(call, Scope(source, function, shop)):
                yield Statement(place, re.sub(r"%\(\w+\)s", "?", text))
        except Unreadable as reason:
            yield Unreadable(f"{place}: the SQL of this call {reason}; see tests/statements.py for what can be read")


def _calls(node: ast.AST, function: Function | None) -> Iterator[tuple[Function | None, ast.Call]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Call) and isinstance(child.func, ast.Attribute) and child.func.attr in VERBS:
            in_a_list = child.func.attr == "insert" and len(child.args) == 2 and _is_number(child.args[0])
            if not in_a_list and dotted(child.func.value) != "cursor":
                yield function, child
        yield from _calls(child, child if isinstance(child, Function) else function)


def _is_number(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int)


def _variants(call: ast.Call, scope: Scope) -> Iterator[str]:
    """Yield the statement with each text of each place once, the other places as they are at their fullest."""
    if not call.args:
        raise Unreadable("is not its first argument")
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    for template in texts(call.args[0], scope):
        places = list(dict.fromkeys(PLACE.findall(template)))
        if missing := [name for name in places if name not in given]:
            raise Unreadable(f"has a place {{{missing[0]}}} that no keyword of the call fills")
        choices = [texts(given[name], scope) for name in places]
        fullest = [found[0] for found in choices]
        chosen = {tuple(fullest)}
        for position, found in enumerate(choices):
            chosen |= {(*fullest[:position], one, *fullest[position + 1 :]) for one in found}
        for fill in sorted(chosen):
            text = template
            for name, value in zip(places, fill, strict=True):
                text = text.replace(f"{{{name}}}", value)
            yield text


def texts(node: ast.expr, scope: Scope) -> list[str]:
    """Return every text that an expression can be, the longest first. Raises Unreadable."""
    found = list(dict.fromkeys(_texts(node, scope)))
    if not found:
        raise Unreadable("comes from an empty table")
    return sorted(found, key=len, reverse=True)


def _texts(node: ast.expr, scope: Scope) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from (*texts(node.body, scope), *texts(node.orelse, scope))
    elif isinstance(node, ast.BoolOp) and isinstance(node.op, ast.Or):
        yield from (text for value in node.values for text in texts(value, scope))
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        pairs = itertools.product(texts(node.left, scope), texts(node.right, scope))
        yield from (left + right for left, right in pairs)
    elif isinstance(node, ast.Call):
        yield from _texts_of_call(node, scope)
    elif isinstance(node, ast.Subscript):
        yield from (text for value, home in _values(node, scope) for text in texts(value, home))
    elif isinstance(node, ast.Attribute) and node.attr == "sql":
        yield from texts(node.value, scope)
    elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Subscript):
        yield from (text for value, home in _values(node.value, scope) for text in _texts_of_field(value, node, home))
    elif isinstance(node, ast.Name | ast.Attribute):
        yield from (text for value, home in _bound(node, scope) for text in texts(value, home))
    else:
        raise Unreadable(f"is put together by a {type(node).__name__} ({ast.unparse(node)[:60]})")


def _texts_of_call(call: ast.Call, scope: Scope) -> Iterator[str]:
    name = dotted(call.func)
    if name == "db.where":
        fragments = _texts_of_table(call.args[0], scope)
        yield from ("WHERE " + "\n  AND ".join(fragments), "", *("WHERE " + one for one in fragments))
    elif name == "db.set_clause":
        yield "SET " + ", ".join(_texts_of_table(call.args[0], scope))
    elif name == "db.in_list":
        yield "(?)"
    elif name == "db.Fragment":
        yield from texts(call.args[0], scope)
    elif isinstance(call.func, ast.Attribute) and call.func.attr == "get":
        found = _table(call.func.value, scope)
        defaults = [(value, scope) for value in call.args[1:]]
        yield from (text for value, home in [*found.values(), *defaults] for text in texts(value, home))
    else:
        function, home = _function(name, scope)
        returns = [node.value for node in ast.walk(function) if isinstance(node, ast.Return) and node.value]
        yield from (text for value in returns for text in texts(value, home.into(home.source, function)))


def _texts_of_field(value: ast.expr, node: ast.Attribute, scope: Scope) -> list[str]:
    """Return what `SORTS[sort].order` can be, where the dict holds calls of a dataclass of the module."""
    if not isinstance(value, ast.Call):
        raise Unreadable(f"is an attribute of what is no dataclass ({ast.unparse(node)})")
    given = {keyword.arg: keyword.value for keyword in value.keywords}
    for owner in scope.source.tree.body:
        if isinstance(owner, ast.ClassDef) and owner.name == dotted(value.func):
            members = [item for item in owner.body if isinstance(item, ast.AnnAssign)]
            defaults = {dotted(item.target): item.value for item in members if item.value}
            by_place = dict(zip((dotted(item.target) for item in members), value.args, strict=False))
            given = {**defaults, **by_place, **given}
    if node.attr not in given:
        raise Unreadable(f"is a field that is not given as a literal ({ast.unparse(node)})")
    return texts(given[node.attr], scope)


def _texts_of_table(node: ast.expr, scope: Scope) -> list[str]:
    return [texts(value, home)[0] for value, home in _table(node, scope).values()]


def _values(node: ast.Subscript, scope: Scope) -> list[tuple[ast.expr, Scope]]:
    found = _table(node.value, scope)
    wanted = node.slice.value if isinstance(node.slice, ast.Constant) else None
    return [entry for key, entry in found.items() if wanted in (None, key[-1])]


def _table(node: ast.expr, scope: Scope) -> dict[tuple[object, ...], tuple[ast.expr, Scope]]:
    """Return the entries of a literal dict, or of dicts joined by `|` or `**`; a key ends in the dict's own key."""
    if isinstance(node, ast.Dict):
        found: dict[tuple[object, ...], tuple[ast.expr, Scope]] = {}
        for key, value in zip(node.keys, node.values, strict=True):
            if key is None:
                found |= _table(value, scope)
            elif isinstance(key, ast.Constant):
                found[(key.value,)] = (value, scope)
            else:
                raise Unreadable(f"comes from a dict with a key that is no literal ({ast.unparse(key)})")
        return found
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return _table(node.left, scope) | _table(node.right, scope)
    if isinstance(node, ast.Name | ast.Attribute):
        tables = [_table(value, home) for value, home in _bound(node, scope)]
        return {(place, *key): entry for place, table in enumerate(tables) for key, entry in table.items()}
    raise Unreadable(f"comes from what is no literal dict ({ast.unparse(node)[:60]})")


def _bound(node: ast.Name | ast.Attribute, scope: Scope) -> list[tuple[ast.expr, Scope]]:
    """Return the expressions that a name is bound to: in the function, by its callers, or at the top of a module."""
    name = dotted(node)
    if scope.function is not None and "." not in name:
        local = [(value, scope.into(scope.source, scope.function)) for value in _assigned(scope.function, name)]
        if local:
            return local
        if name in [argument.arg for argument in [*scope.function.args.args, *scope.function.args.kwonlyargs]]:
            return _given_by_callers(scope.function, name, scope)
    head, _, rest = name.partition(".")
    if not rest and head not in scope.source.imports:
        source, wanted = scope.source, head
    else:
        full = scope.source.imports.get(head, head) + (f".{rest}" if rest else "")
        module, _, wanted = full.rpartition(".")
        source = _module(module, scope)
    found = [value for item in source.tree.body for value in _bindings(item, wanted)]
    if not found:
        raise Unreadable(f"is the name {name!r}, which is bound to no literal")
    return [(value, scope.into(source, None)) for value in found]


def _assigned(function: Function, name: str) -> list[ast.expr]:
    return [value for item in ast.walk(function) for value in _bindings(item, name)]


def _bindings(item: ast.AST, name: str) -> Iterator[ast.expr]:
    if isinstance(item, ast.Assign):
        for target in item.targets:
            if dotted(target) == name:
                yield item.value
            elif isinstance(target, ast.Tuple) and isinstance(item.value, ast.Tuple):
                pairs = zip(target.elts, item.value.elts, strict=False)
                yield from (value for part, value in pairs if dotted(part) == name)
    elif isinstance(item, ast.AnnAssign | ast.NamedExpr) and item.value and dotted(item.target) == name:
        yield item.value
    elif isinstance(item, ast.AugAssign) and dotted(item.target) == name:
        raise Unreadable(f"is the name {name!r}, which grows by +=")
    elif isinstance(item, ast.For) and dotted(item.target) == name and isinstance(item.iter, ast.Tuple | ast.List):
        yield from item.iter.elts


def _given_by_callers(function: Function, name: str, scope: Scope) -> list[tuple[ast.expr, Scope]]:
    """Return what the callers in the same module give for a parameter."""
    places = [argument.arg for argument in function.args.args]
    position = places.index(name) if name in places else len(places)
    found: list[tuple[ast.expr, Scope]] = []
    for caller in scope.source.functions():
        for call in (node for node in ast.walk(caller) if isinstance(node, ast.Call)):
            if dotted(call.func) == function.name:
                given = [keyword.value for keyword in call.keywords if keyword.arg == name]
                given += call.args[position : position + 1]
                found += [(value, scope.into(scope.source, caller)) for value in given]
    if not found:
        raise Unreadable(f"is the parameter {name!r}, which no caller in the module gives as a literal")
    return found


def _function(name: str, scope: Scope) -> tuple[Function, Scope]:
    head, _, rest = name.partition(".")
    source = _module(scope.source.imports.get(head, head), scope) if rest else scope.source
    for verb in source.verbs():
        if verb.name == (rest or head):
            return verb, scope.into(source, verb)
    raise Unreadable(f"comes from {name or 'a call'}(), which is no function of ours that returns literals")


def _module(name: str, scope: Scope) -> Source:
    for source in scope.shop:
        if source.module == name:
            return source
    raise Unreadable(f"comes from {name}, which is not ours")
