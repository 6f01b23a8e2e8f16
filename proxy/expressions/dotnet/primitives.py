"""The names that every other table needs: object, void, numbers, interfaces, delegates."""

from __future__ import annotations

from proxy.expressions.table import define
from proxy.expressions.types import Definition

OBJECT = define("object", "System.Object")
VOID = define("void", "System.Void")
ENUM = define("Enum", "System.Enum")


def _number(name: str, full: str) -> Definition:
    return define(name, f"System.{full}", kind="value")


BOOL = _number("bool", "Boolean")
CHAR = _number("char", "Char")
SBYTE = _number("sbyte", "SByte")
BYTE = _number("byte", "Byte")
INT16 = _number("short", "Int16")
UINT16 = _number("ushort", "UInt16")
INT32 = _number("int", "Int32")
UINT32 = _number("uint", "UInt32")
INT64 = _number("long", "Int64")
UINT64 = _number("ulong", "UInt64")
SINGLE = _number("float", "Single")
DOUBLE = _number("double", "Double")
DECIMAL = _number("decimal", "Decimal")
DATETIME = define("DateTime", "System.DateTime", kind="value")
OFFSET = define("DateTimeOffset", "System.DateTimeOffset", kind="value")
TIMESPAN = define("TimeSpan", "System.TimeSpan", kind="value")
GUID = define("Guid", "System.Guid", kind="value")
NULLABLE = define("Nullable", "System.Nullable", kind="value", parameters=("T",))

# only null can be passed for it: culture objects are outside the allow-list
PROVIDER = define("IFormatProvider", "System.IFormatProvider", kind="interface")
DISPOSABLE = define("IDisposable", "System.IDisposable", kind="interface")
_GENERIC = "System.Collections.Generic"
SEQUENCE = define("PlainSequence", "System.Collections.IEnumerable", kind="interface")
ENUMERABLE = define(
    "IEnumerable", f"{_GENERIC}.IEnumerable", kind="interface", parameters=("T",), bases=("PlainSequence",)
)
COLLECTION = define(
    "ICollection", f"{_GENERIC}.ICollection", kind="interface", parameters=("T",), bases=("IEnumerable<T>",)
)
READ_COLLECTION = define(
    "IReadOnlyCollection",
    f"{_GENERIC}.IReadOnlyCollection",
    kind="interface",
    parameters=("T",),
    bases=("IEnumerable<T>",),
)
LIST_INTERFACE = define("IList", f"{_GENERIC}.IList", kind="interface", parameters=("T",), bases=("ICollection<T>",))
READ_LIST = define(
    "IReadOnlyList", f"{_GENERIC}.IReadOnlyList", kind="interface", parameters=("T",), bases=("IReadOnlyCollection<T>",)
)
SET_INTERFACE = define("ISet", f"{_GENERIC}.ISet", kind="interface", parameters=("T",), bases=("ICollection<T>",))
PAIR = define("KeyValuePair", f"{_GENERIC}.KeyValuePair", kind="value", parameters=("K", "V"))
DICTIONARY_INTERFACE = define(
    "IDictionary",
    f"{_GENERIC}.IDictionary",
    kind="interface",
    parameters=("K", "V"),
    bases=("ICollection<KeyValuePair<K, V>>",),
)
READ_DICTIONARY = define(
    "IReadOnlyDictionary",
    f"{_GENERIC}.IReadOnlyDictionary",
    kind="interface",
    parameters=("K", "V"),
    bases=("IReadOnlyCollection<KeyValuePair<K, V>>",),
)
GROUPING = define(
    "IGrouping", "System.Linq.IGrouping", kind="interface", parameters=("K", "T"), bases=("IEnumerable<T>",)
)
ORDERED = define(
    "IOrderedEnumerable",
    "System.Linq.IOrderedEnumerable",
    kind="interface",
    parameters=("T",),
    bases=("IEnumerable<T>",),
)

for _arity in range(9):
    _names = tuple(f"T{index}" for index in range(_arity))
    define("Func", "System.Func", kind="delegate", parameters=(*_names, "R"))
    define("Action", "System.Action", kind="delegate", parameters=_names)
define("Predicate", "System.Predicate", kind="delegate", parameters=("T",))
define("Comparison", "System.Comparison", kind="delegate", parameters=("T",))
define("Converter", "System.Converter", kind="delegate", parameters=("T", "R"))
define("MatchEvaluator", "System.Text.RegularExpressions.MatchEvaluator", kind="delegate")
STRING = define("string", "System.String", bases=("IEnumerable<char>",))
