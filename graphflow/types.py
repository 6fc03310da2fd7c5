"""Which wire fits which port: real Python types, lists that map, type variables that are inferred."""

from __future__ import annotations

import functools
import operator
import types
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

Bindings = dict[TypeVar, Any]


def bare(hint: Any) -> Any:
    """The type without Annotated metadata."""
    if type(hint) is type:
        return hint
    return get_args(hint)[0] if get_origin(hint) is Annotated else hint


def item_type(hint: Any) -> Any | None:
    """`T` for `list[T]`, else None."""
    hint = bare(hint)
    return get_args(hint)[0] if get_origin(hint) is list else None


def levels(want: Any, have: Any, bindings: Bindings) -> int | None:
    """How many list levels must be mapped so that a wire of type `have` fits `want`.

    0 fits as it is; None never fits. Type variables met on the way are added to `bindings`.
    """
    if want is have:
        return 0
    count = 0
    while True:
        trial = dict(bindings)
        if fits(want, have, trial):
            bindings.update(trial)
            return count
        inner = item_type(have)
        if inner is None:
            return None
        have, count = inner, count + 1


def fits(want: Any, have: Any, bindings: Bindings) -> bool:
    """True if every value of type `have` is a value of type `want`."""
    want, have = bare(want), bare(have)
    if want is Any or have is Any or want == have:
        return True
    if isinstance(have, TypeVar):
        return True
    if isinstance(want, TypeVar):
        return _bind(want, have, bindings)
    if is_union(have):
        return all(fits(want, part, bindings) for part in get_args(have))
    if is_union(want):
        return any(fits(part, have, bindings) for part in get_args(want))
    if get_origin(have) is Literal:
        return _literal_fits(want, get_args(have))
    if get_origin(want) is Literal:
        return any(type(value) is have for value in get_args(want))
    return _structure_fits(want, have, bindings)


def _bind(want: TypeVar, have: Any, bindings: Bindings) -> bool:
    allowed = want.__constraints__ or (Any if want.__bound__ is None else want.__bound__,)
    if not any(fits(limit, have, bindings) for limit in allowed):
        return False
    if want in bindings and fits(bindings[want], have, bindings):
        return True  # a narrower type: int where float is bound
    if want in bindings and not fits(have, bindings[want], bindings):
        return False
    bindings[want] = have
    return True


def _literal_fits(want: Any, values: tuple[Any, ...]) -> bool:
    if get_origin(want) is Literal:
        allowed = get_args(want)
        return all(any(v == a and type(v) is type(a) for a in allowed) for v in values)
    return all(fits(want, type(value), {}) for value in values)


def _structure_fits(want: Any, have: Any, bindings: Bindings) -> bool:
    if want is float and have is int:
        return True
    origin_want, origin_have = get_origin(want) or want, get_origin(have) or have
    if not (isinstance(origin_want, type) and isinstance(origin_have, type)):
        return False
    if origin_have is bool and origin_want in (int, float):
        return False  # a bool is an int only by accident of history
    if not issubclass(origin_have, origin_want):
        return False
    wanted, given = get_args(want), get_args(have)
    if not wanted or not given:
        return True
    if origin_want is tuple and wanted[-1] is Ellipsis:
        given, wanted = given[: -1 if given[-1] is Ellipsis else None], wanted[:1]
        return all(fits(wanted[0], one, bindings) for one in given)
    if Ellipsis in given or len(wanted) != len(given):
        return False
    return all(fits(w, g, bindings) for w, g in zip(wanted, given, strict=True))


def bind(hint: Any, bindings: Bindings) -> Any:
    """The type with its variables replaced; an unbound variable becomes Any."""
    if type(hint) is type:
        return hint
    hint = bare(hint)
    if isinstance(hint, TypeVar):
        return bindings.get(hint, Any)
    origin, args = get_origin(hint), get_args(hint)
    if not args or origin is Literal:
        return hint
    new = tuple(a if a is Ellipsis else bind(a, bindings) for a in args)
    return functools.reduce(operator.or_, new) if is_union(hint) else origin[new]


def metadata_of(hint: Any) -> tuple[Any, ...]:
    """All Annotated metadata in a hint, also inside unions."""
    found: tuple[Any, ...] = ()
    if get_origin(hint) is Annotated:
        found += tuple(hint.__metadata__)
        hint = get_args(hint)[0]
    if is_union(hint):
        for part in get_args(hint):
            found += metadata_of(part)
    return found


def mentions(hint: Any, kind: type) -> bool:
    """True if `kind` or a subclass stands anywhere in the hint."""
    hint = bare(hint)
    if isinstance(hint, type) and issubclass(hint, kind):
        return True
    return any(mentions(part, kind) for part in get_args(hint) if part is not Ellipsis)


def is_namedtuple(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, tuple) and hasattr(hint, "_fields")


def nested(hint: Any, depth: int) -> Any:
    """`hint` inside `depth` lists."""
    for _ in range(depth):
        hint = list[hint]
    return hint


def name_of(hint: Any) -> str:
    """How a type is written for people: `list[Video]`, `int | None`, `'a' | 'b'`."""
    hint = bare(hint)
    if hint is Any or isinstance(hint, TypeVar):
        return "any"
    if hint is type(None):
        return "None"
    origin, args = get_origin(hint), get_args(hint)
    if origin is Literal:
        return " | ".join(repr(a) for a in args)
    if is_union(hint):
        return " | ".join(name_of(a) for a in args)
    if origin is not None:
        return f"{origin.__name__}[{', '.join('...' if a is Ellipsis else name_of(a) for a in args)}]"
    return getattr(hint, "__name__", str(hint))


def wanted_name(hint: Any) -> str:
    """How the type of a port is written where only people read it: a variable by the types that it may be."""
    hint = bare(hint)
    if not isinstance(hint, TypeVar):
        return name_of(hint)
    allowed = hint.__constraints__ or (Any if hint.__bound__ is None else hint.__bound__,)
    return " or ".join(name_of(one) for one in allowed)


def is_union(hint: Any) -> bool:
    """Whether a type is `A | B` or `Union[A, B]`."""
    return get_origin(hint) in (Union, types.UnionType)
