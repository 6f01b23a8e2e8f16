"""System.Linq.Enumerable. Deferred where .NET defers; each element taken is a step of the budget."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

from proxy.expressions.dotnet import primitives
from proxy.expressions.dotnet.collections import HashSet, count_of, equal
from proxy.expressions.dotnet.dictionaries import Comparer, _new, add_entry
from proxy.expressions.dotnet.linq_lazy import (
    _append,
    _concat,
    _default_if_empty,
    _distinct,
    _each,
    _except,
    _intersect,
    _prepend,
    _reverse,
    _select,
    _select_indexed,
    _select_many,
    _select_many_indexed,
    _skip,
    _skip_while,
    _skip_while_indexed,
    _take,
    _take_while,
    _take_while_indexed,
    _union,
    _where,
    _where_indexed,
    _zip,
    compare,
)
from proxy.expressions.dotnet.linq_order import _group, _order, _then
from proxy.expressions.dotnet.numeric import add_decimal, divide_decimal, single
from proxy.expressions.dotnet.values import Array, List, Sequence, instance_of, name_of
from proxy.expressions.runtime import (
    argument_null,
    index_range,
    invalid_cast,
    invalid_operation,
    out_of_range,
    overflow,
    tick,
)
from proxy.expressions.table import define, members, with_types
from proxy.expressions.types import Native, Type, type_of_name

ENUMERABLE = define("Enumerable", "System.Linq.Enumerable", kind="static")
_NONE = "Sequence contains no elements"
_NO_MATCH = "Sequence contains no matching element"
_MANY = "Sequence contains more than one element"
_MANY_MATCH = "Sequence contains more than one matching element"


def _of_type(kind: Type, source: Any) -> Sequence:
    if source is None:
        argument_null("source")
    return Sequence(lambda: (item for item in _each(source) if instance_of(item, kind)), kind)


def _cast(kind: Type, source: Any) -> Sequence:
    if source is None:
        argument_null("source")

    def run() -> Iterator[Any]:
        for item in _each(source):
            if item is not None and not instance_of(item, kind):
                invalid_cast(name_of(item), kind.full_name)
            yield item

    return Sequence(run, kind)


_MISSING: Any = object()


def _first(source: Any, test: Callable[[Any], bool] | None = None) -> Any:
    found = next((item for item in _each(source) if test is None or test(item)), _MISSING)
    if found is _MISSING:
        invalid_operation(_NO_MATCH if test else _NONE)
    return found


def _last(source: Any, test: Callable[[Any], bool] | None = None) -> Any:
    found = _MISSING
    for item in _each(source):
        if test is None or test(item):
            found = item
    if found is _MISSING:
        invalid_operation(_NO_MATCH if test else _NONE)
    return found


def _single(source: Any, test: Callable[[Any], bool] | None = None, *, default: Any = _MISSING) -> Any:
    found = [item for item in _each(source) if test is None or test(item)]
    if len(found) > 1:
        invalid_operation(_MANY_MATCH if test else _MANY)
    if not found:
        if default is _MISSING:
            invalid_operation(_NO_MATCH if test else _NONE)
        return default
    return found[0]


def _default(kind: Type) -> Any:
    from proxy.expressions.bind_creation import default_of

    return default_of(kind)


def _first_or(kind: Type, source: Any, test: Callable[[Any], bool] | None = None) -> Any:
    for item in _each(source):
        if test is None or test(item):
            return item
    return _default(kind)


def _last_or(kind: Type, source: Any, test: Callable[[Any], bool] | None = None) -> Any:
    found = _MISSING
    for item in _each(source):
        if test is None or test(item):
            found = item
    return _default(kind) if found is _MISSING else found


def _element_at(source: Any, index: int) -> Any:
    if index >= 0:
        for place, item in enumerate(_each(source)):
            if place == index:
                return item
    if isinstance(source, list):
        index_range()
    return out_of_range("Specified argument was out of the range of valid values.", "index")


def _element_or(kind: Type, source: Any, index: int) -> Any:
    for place, item in enumerate(_each(source)):
        if place == index:
            return item
    return _default(kind)


def _contains(source: Any, wanted: Any, comparer: Comparer | None = None) -> bool:
    if not isinstance(source, (list, Sequence, str)):
        from proxy.expressions.dotnet.json_tokens import JToken

        if isinstance(source, JToken):
            # a collection's own Contains, which looks for the same token
            return any(item is wanted for item in _each(source))
    if comparer is not None and comparer.fold is not None:
        folded = comparer.fold(wanted)
        return any(comparer.fold(item) == folded for item in _each(source))
    return any(equal(item, wanted) or (type(item) is type(wanted) and item == wanted) for item in _each(source))


def _sequence_equal(source: Any, other: Any, comparer: Comparer | None = None) -> bool:
    if source is None or other is None:
        argument_null("first" if source is None else "second")
    same = comparer.same if comparer is not None else equal
    left, right = list(_each(source)), list(_each(other))
    return len(left) == len(right) and all(same(a, b) for a, b in zip(left, right, strict=True))


def _aggregate(source: Any, f: Callable[[Any, Any], Any]) -> Any:
    items = _each(source)
    result = next(items, _MISSING)
    if result is _MISSING:
        invalid_operation(_NONE)
    for item in items:
        result = f(result, item)
    return result


def _fold(source: Any, seed: Any, f: Callable[[Any, Any], Any]) -> Any:
    for item in _each(source):
        seed = f(seed, item)
    return seed


def _sum(source: Any, f: Callable[[Any], Any] | None = None) -> Any:
    total: Any = 0
    for item in _each(source):
        value = f(item) if f else item
        if value is not None:
            total = add_decimal(total, value) if isinstance(value, Decimal) else total + value
    return total


def _sum_in(low: int, high: int) -> Callable[..., int]:
    def add(source: Any, f: Callable[[Any], Any] | None = None) -> int:
        total = _sum(source, f)
        if not low <= total <= high:
            overflow()
        return int(total)

    return add


def _average(source: Any, f: Callable[[Any], Any] | None = None) -> Any:
    values = [f(item) if f else item for item in _each(source)]
    if not values:
        invalid_operation(_NONE)
    total = _sum(values)
    return divide_decimal(total, Decimal(len(values))) if isinstance(total, Decimal) else total / len(values)


def _average_known(source: Any, f: Callable[[Any], Any] | None = None) -> Any:
    values = [value for value in ((f(item) if f else item) for item in _each(source)) if value is not None]
    return _average(values) if values else None


def _single_average(source: Any, f: Callable[[Any], Any] | None = None) -> float:
    return single(_average(source, f))


def _single_known(source: Any, f: Callable[[Any], Any] | None = None) -> Any:
    found = _average_known(source, f)
    return None if found is None else single(found)


def _extreme(sign: int) -> Native:
    """The last type argument is the result's: without elements, what can be null is null."""

    def find(*given: Any) -> Any:
        kinds = [one for one in given if isinstance(one, Type)]
        source, f = (*given[len(kinds) :], None)[:2]
        best = _MISSING
        for item in _each(source):
            value = f(item) if f else item
            if value is not None and (best is _MISSING or compare(value, best) * sign > 0):
                best = value
        if best is _MISSING:
            if kinds[-1].is_value and not kinds[-1].is_nullable:
                invalid_operation(_NONE)
            return None
        return best

    return with_types(find)


def _count(source: Any, test: Callable[[Any], bool] | None = None) -> int:
    if source is None:
        argument_null("source")
    return count_of(source) if test is None else sum(1 for item in _each(source) if test(item))


def _to_dictionary(
    source: Any,
    key: Callable[[Any], Any],
    kind: Type,
    other: Type,
    pick: Callable[[Any], Any] | None,
    comparer: Comparer | None = None,
) -> Any:
    made = _new(kind, other, None, comparer)
    for item in _each(source):
        add_entry(made, key(item), pick(item) if pick else item)
    return made


def _range(start: int, count: int) -> Sequence:
    if count < 0 or start + count - 1 > 0x7FFFFFFF:
        out_of_range("Specified argument was out of the range of valid values.", "count")

    def run() -> Iterator[int]:
        for value in range(start, start + count):
            tick()
            yield value

    return Sequence(run, type_of_name("int"))


def _repeat(kind: Type, item: Any, count: int) -> Sequence:
    if count < 0:
        out_of_range("Specified argument was out of the range of valid values.", "count")

    def run() -> Iterator[Any]:
        for _ in range(count):
            tick()
            yield item

    return Sequence(run, kind)


def _any(source: Any, test: Callable[[Any], bool] | None = None) -> bool:
    return any(test is None or test(item) for item in _each(source))


_S = "this IEnumerable<T> source"
_TEST = "Func<T, bool> predicate"
_TABLE: dict[str, Any] = {
    f"static IEnumerable<R> Select<T, R>({_S}, Func<T, R> selector)": _select,
    f"static IEnumerable<R> Select<T, R>({_S}, Func<T, int, R> selector)": _select_indexed,
    f"static IEnumerable<R> SelectMany<T, R>({_S}, Func<T, IEnumerable<R>> selector)": _select_many,
    f"static IEnumerable<T> Where<T>({_S}, {_TEST})": _where,
    f"static IEnumerable<T> Where<T>({_S}, Func<T, int, bool> predicate)": _where_indexed,
    f"static IEnumerable<T> Take<T>({_S}, int count)": _take,
    f"static IEnumerable<T> Skip<T>({_S}, int count)": _skip,
    f"static IEnumerable<T> TakeWhile<T>({_S}, {_TEST})": _take_while,
    f"static IEnumerable<T> SkipWhile<T>({_S}, {_TEST})": _skip_while,
    f"static IEnumerable<T> Concat<T>({_S}, IEnumerable<T> second)": _concat,
    f"static IEnumerable<T> Append<T>({_S}, T element)": _append,
    f"static IEnumerable<T> Prepend<T>({_S}, T element)": _prepend,
    f"static IEnumerable<T> Distinct<T>({_S})": _distinct,
    f"static IEnumerable<T> Distinct<T>({_S}, IEqualityComparer<T> comparer)": _distinct,
    f"static IEnumerable<T> Union<T>({_S}, IEnumerable<T> second)": _union,
    f"static IEnumerable<T> Intersect<T>({_S}, IEnumerable<T> second)": _intersect,
    f"static IEnumerable<T> Except<T>({_S}, IEnumerable<T> second)": _except,
    f"static IEnumerable<T> Reverse<T>({_S})": _reverse,
    f"static IEnumerable<R> Zip<T, U, R>({_S}, IEnumerable<U> second, Func<T, U, R> selector)": _zip,
    f"static IEnumerable<T?> DefaultIfEmpty<T>({_S})": with_types(
        lambda kind, source: _default_if_empty(source, _default(kind))
    ),
    f"static IEnumerable<T> DefaultIfEmpty<T>({_S}, T defaultValue)": _default_if_empty,
    "static IEnumerable<R> OfType<R>(this PlainSequence source)": with_types(_of_type),
    "static IEnumerable<R> Cast<R>(this PlainSequence source)": with_types(_cast),
    f"static IEnumerable<IGrouping<K, T>> GroupBy<T, K>({_S}, Func<T, K> keySelector)": _group,
    f"static IEnumerable<IGrouping<K, R>> GroupBy<T, K, R>({_S}, Func<T, K> keySelector, Func<T, R> element)": _group,
    f"static T First<T>({_S})": _first,
    f"static T First<T>({_S}, {_TEST})": _first,
    f"static T? FirstOrDefault<T>({_S})": with_types(_first_or),
    f"static T? FirstOrDefault<T>({_S}, {_TEST})": with_types(_first_or),
    f"static T Last<T>({_S})": _last,
    f"static T Last<T>({_S}, {_TEST})": _last,
    f"static T? LastOrDefault<T>({_S})": with_types(_last_or),
    f"static T? LastOrDefault<T>({_S}, {_TEST})": with_types(_last_or),
    f"static T Single<T>({_S})": _single,
    f"static T Single<T>({_S}, {_TEST})": _single,
    f"static T? SingleOrDefault<T>({_S})": with_types(lambda kind, s: _single(s, default=_default(kind))),
    f"static T? SingleOrDefault<T>({_S}, {_TEST})": with_types(
        lambda kind, s, f: _single(s, f, default=_default(kind))
    ),
    f"static T ElementAt<T>({_S}, int index)": _element_at,
    f"static T? ElementAtOrDefault<T>({_S}, int index)": with_types(_element_or),
    f"static bool Any<T>({_S})": _any,
    f"static bool Any<T>({_S}, {_TEST})": _any,
    f"static bool All<T>({_S}, {_TEST})": lambda source, test: all(test(item) for item in _each(source)),
    f"static int Count<T>({_S})": _count,
    f"static int Count<T>({_S}, {_TEST})": _count,
    f"static long LongCount<T>({_S})": _count,
    f"static long LongCount<T>({_S}, {_TEST})": _count,
    f"static bool SequenceEqual<T>({_S}, IEnumerable<T> second, IEqualityComparer<T> comparer)": _sequence_equal,
    f"static IEnumerable<R> SelectMany<T, R>({_S}, Func<T, int, IEnumerable<R>> selector)": _select_many_indexed,
    f"static IEnumerable<T> TakeWhile<T>({_S}, Func<T, int, bool> predicate)": _take_while_indexed,
    f"static IEnumerable<T> SkipWhile<T>({_S}, Func<T, int, bool> predicate)": _skip_while_indexed,
    **{
        f"static IEnumerable<T> {name}<T>({_S}, IEnumerable<T> second, IEqualityComparer<T> comparer)": function
        for name, function in (("Union", _union), ("Intersect", _intersect), ("Except", _except))
    },
    f"static HashSet<T> ToHashSet<T>({_S}, IEqualityComparer<T> comparer)": with_types(
        lambda kind, source, comparer: HashSet(kind, _each(source), comparer.fold if comparer else None)
    ),
    f"static Dictionary<K, T> ToDictionary<T, K>({_S}, Func<T, K> keySelector, IEqualityComparer<K> comparer)": (
        with_types(lambda t, k, source, key, comparer: _to_dictionary(source, key, k, t, None, comparer))
    ),
    f"static Dictionary<K, V> ToDictionary<T, K, V>({_S}, Func<T, K> keySelector, Func<T, V> element, "
    "IEqualityComparer<K> comparer)": with_types(
        lambda t, k, v, source, key, pick, comparer: _to_dictionary(source, key, k, v, pick, comparer)
    ),
    f"static IEnumerable<IGrouping<K, T>> GroupBy<T, K>({_S}, Func<T, K> keySelector, IEqualityComparer<K> comparer)": (
        lambda source, key, comparer: _group(source, key, None, comparer)
    ),
    f"static IEnumerable<IGrouping<K, R>> GroupBy<T, K, R>({_S}, Func<T, K> keySelector, Func<T, R> element, "
    "IEqualityComparer<K> comparer)": _group,
    f"static bool Contains<T>({_S}, T value)": _contains,
    f"static bool Contains<T>({_S}, T value, IEqualityComparer<T> comparer)": _contains,
    f"static bool SequenceEqual<T>({_S}, IEnumerable<T> second)": _sequence_equal,
    f"static T Aggregate<T>({_S}, Func<T, T, T> func)": _aggregate,
    f"static A Aggregate<T, A>({_S}, A seed, Func<A, T, A> func)": _fold,
    f"static R Aggregate<T, A, R>({_S}, A seed, Func<A, T, A> func, Func<A, R> result)": lambda s, a, f, r: r(
        _fold(s, a, f)
    ),
    f"static T[] ToArray<T>({_S})": with_types(lambda kind, source: Array(kind, _each(source))),
    f"static List<T> ToList<T>({_S})": with_types(lambda kind, source: List(kind, _each(source))),
    f"static IEnumerable<T> AsEnumerable<T>({_S})": lambda source: source,
    f"static HashSet<T> ToHashSet<T>({_S})": with_types(lambda kind, source: HashSet(kind, _each(source))),
    f"static Dictionary<K, T> ToDictionary<T, K>({_S}, Func<T, K> keySelector)": with_types(
        lambda t, k, source, key: _to_dictionary(source, key, k, t, None)
    ),
    f"static Dictionary<K, V> ToDictionary<T, K, V>({_S}, Func<T, K> keySelector, Func<T, V> element)": with_types(
        lambda t, k, v, source, key, pick: _to_dictionary(source, key, k, v, pick)
    ),
    "static IEnumerable<int> Range(int start, int count)": _range,
    "static IEnumerable<T> Repeat<T>(T element, int count)": with_types(_repeat),
    "static IEnumerable<T> Empty<T>()": with_types(lambda kind: Array(kind)),
}
_O = "this IOrderedEnumerable<T> source"
for _name, _from, _sort in (("OrderBy", _S, _order), ("ThenBy", _O, _then)):
    for _end, _down in (("", False), ("Descending", True)):
        _head = f"static IOrderedEnumerable<T> {_name}{_end}<T, K>({_from}, Func<T, K> keySelector"
        _TABLE[f"{_head})"] = _sort(_down)
        _TABLE[f"{_head}, IComparer<K> comparer)"] = _sort(_down)
for _kind, _add in (
    ("int", _sum_in(-(2**31), 2**31 - 1)),
    ("long", _sum_in(-(2**63), 2**63 - 1)),
    ("double", lambda source, f=None: float(_sum(source, f))),
    ("float", lambda source, f=None: single(float(_sum(source, f)))),
    ("decimal", lambda source, f=None: Decimal(0) + _sum(source, f)),
):
    _mean = _kind if _kind in ("decimal", "float") else "double"
    _middle = _single_average if _kind == "float" else _average
    _TABLE[f"static {_kind} Sum(this IEnumerable<{_kind}> source)"] = _add
    _TABLE[f"static {_kind} Sum<T>({_S}, Func<T, {_kind}> selector)"] = _add
    _TABLE[f"static {_mean} Average(this IEnumerable<{_kind}> source)"] = _middle
    _TABLE[f"static {_mean} Average<T>({_S}, Func<T, {_kind}> selector)"] = _middle
for _name, _sign in (("Max", 1), ("Min", -1)):
    _TABLE[f"static T {_name}<T>({_S})"] = _extreme(_sign)
    _TABLE[f"static R {_name}<T, R>({_S}, Func<T, R> selector)"] = _extreme(_sign)
for _kind in ("int", "long", "double", "float", "decimal"):
    _mean = _kind if _kind in ("decimal", "float") else "double"
    _add = _TABLE[f"static {_kind} Sum(this IEnumerable<{_kind}> source)"]
    _TABLE[f"static {_kind}? Sum(this IEnumerable<{_kind}?> source)"] = _add
    _TABLE[f"static {_kind}? Sum<T>({_S}, Func<T, {_kind}?> selector)"] = _add
    _known = _single_known if _kind == "float" else _average_known
    _TABLE[f"static {_mean}? Average(this IEnumerable<{_kind}?> source)"] = _known
    _TABLE[f"static {_mean}? Average<T>({_S}, Func<T, {_kind}?> selector)"] = _known
members(ENUMERABLE, _TABLE)
members(
    primitives.GROUPING,
    {"K Key": lambda group: group.key},
)
