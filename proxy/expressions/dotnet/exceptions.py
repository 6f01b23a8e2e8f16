"""Exceptions as values: `catch (X e)`, `new Exception(...)`, `e.Message`."""

from __future__ import annotations

import re
from typing import Any, NoReturn

from proxy.expressions.dotnet import primitives  # noqa: F401
from proxy.expressions.runtime import BudgetExhausted, DotNetError, spend
from proxy.expressions.table import attribute, define, members
from proxy.expressions.types import Type, find, generic

_TREE = {
    "SystemException": ("System.SystemException", "Exception"),
    "ArgumentException": ("System.ArgumentException", "SystemException"),
    "ArgumentNullException": ("System.ArgumentNullException", "ArgumentException"),
    "ArgumentOutOfRangeException": ("System.ArgumentOutOfRangeException", "ArgumentException"),
    "ArithmeticException": ("System.ArithmeticException", "SystemException"),
    "DivideByZeroException": ("System.DivideByZeroException", "ArithmeticException"),
    "OverflowException": ("System.OverflowException", "ArithmeticException"),
    "FormatException": ("System.FormatException", "SystemException"),
    "IndexOutOfRangeException": ("System.IndexOutOfRangeException", "SystemException"),
    "InvalidCastException": ("System.InvalidCastException", "SystemException"),
    "InvalidOperationException": ("System.InvalidOperationException", "SystemException"),
    "NotSupportedException": ("System.NotSupportedException", "SystemException"),
    "NullReferenceException": ("System.NullReferenceException", "SystemException"),
    "KeyNotFoundException": ("System.Collections.Generic.KeyNotFoundException", "SystemException"),
    "JsonException": ("Newtonsoft.Json.JsonException", "Exception"),
    "JsonReaderException": ("Newtonsoft.Json.JsonReaderException", "JsonException"),
    "JsonSerializationException": ("Newtonsoft.Json.JsonSerializationException", "JsonException"),
    "UriFormatException": ("System.UriFormatException", "FormatException"),
    "CryptographicException": ("System.Security.Cryptography.CryptographicException", "SystemException"),
    "XmlException": ("System.Xml.XmlException", "SystemException"),
    "RegexMatchTimeoutException": ("System.Text.RegularExpressions.RegexMatchTimeoutException", "SystemException"),
    "NotImplementedException": ("System.NotImplementedException", "SystemException"),
    "TimeoutException": ("System.TimeoutException", "SystemException"),
    "UnauthorizedAccessException": ("System.UnauthorizedAccessException", "SystemException"),
    "ApplicationException": ("System.ApplicationException", "Exception"),
    "TimeZoneNotFoundException": ("System.TimeZoneNotFoundException", "Exception"),
}

# what catching an exception costs of the budget
EXCEPTION_STEPS = 16

EXCEPTION = define("Exception", "System.Exception", python=DotNetError)
for _name, (_full, _base) in _TREE.items():
    define(_name, _full, bases=(_base,))


# what an exception says that is made without a message; the others name their type
_DEFAULTS = {
    "System.SystemException": "System error.",
    "System.ApplicationException": "Error in the application.",
    "System.ArgumentException": "Value does not fall within the expected range.",
    "System.ArgumentNullException": "Value cannot be null.",
    "System.ArgumentOutOfRangeException": "Specified argument was out of the range of valid values.",
    "System.ArithmeticException": "Overflow or underflow in the arithmetic operation.",
    "System.DivideByZeroException": "Attempted to divide by zero.",
    "System.OverflowException": "Arithmetic operation resulted in an overflow.",
    "System.FormatException": "One of the identified items was in an invalid format.",
    "System.IndexOutOfRangeException": "Index was outside the bounds of the array.",
    "System.InvalidCastException": "Specified cast is not valid.",
    "System.InvalidOperationException": "Operation is not valid due to the current state of the object.",
    "System.NotSupportedException": "Specified method is not supported.",
    "System.NotImplementedException": "The method or operation is not implemented.",
    "System.NullReferenceException": "Object reference not set to an instance of an object.",
    "System.TimeoutException": "The operation has timed out.",
    "System.UnauthorizedAccessException": "Attempted to perform an unauthorized operation.",
    "System.Collections.Generic.KeyNotFoundException": "The given key was not present in the dictionary.",
}


def _maker(kind: str) -> Any:
    plain = _DEFAULTS.get(kind, f"Exception of type '{kind}' was thrown.")
    names = kind in ("System.ArgumentNullException", "System.ArgumentOutOfRangeException")

    def make(message: str | None = None, inner: DotNetError | None = None) -> DotNetError:
        text = plain if message is None else message
        # these two take the parameter's name where the others take a message
        if names and message is not None and inner is None:
            text = f"{plain} (Parameter '{message}')"
        return DotNetError(kind, text, inner)

    return make


for _name in ("Exception", *_TREE):
    _definition = find(_name)
    assert _definition is not None
    _make = _maker(_definition.full_name)
    members(_definition, {"new()": _make, "new(string message)": _make, "new(string message, Exception inner)": _make})


_PARAMETER = re.compile(r"\(Parameter '([^']*)'\)$")


def _parameter(error: DotNetError) -> str | None:
    """What the message of an argument's exception ends with."""
    found = _PARAMETER.search(error.message)
    return found[1] if found else None


for _name in ("ArgumentException", "ArgumentNullException", "ArgumentOutOfRangeException"):
    _definition = find(_name)
    assert _definition is not None
    _kind = _definition.full_name
    _first, _second = ("message", "name") if _name == "ArgumentException" else ("name", "message")
    members(
        _definition,
        {
            "string? ParamName": _parameter,
            f"new(string {_first}, string {_second})": (
                lambda one, two, kind=_kind, swap=_first == "name": DotNetError(
                    kind, f"{two} (Parameter '{one}')" if swap else f"{one} (Parameter '{two}')"
                )
            ),
        },
    )


def _describe(error: DotNetError) -> str:
    inner = f"\n ---> {_describe(error.inner)}\n   --- End of inner exception stack trace ---" if error.inner else ""
    return f"{error.kind}: {error.message}{inner}"


_CODES = {
    "System.Exception": -2146233088, "System.SystemException": -2146233087, "System.ApplicationException": -2146232832,
    "System.ArgumentException": -2147024809, "System.ArgumentNullException": -2147467261,
    "System.ArgumentOutOfRangeException": -2146233086, "System.ArithmeticException": -2147024362,
    "System.DivideByZeroException": -2147352558, "System.OverflowException": -2146233066,
    "System.FormatException": -2146233033, "System.IndexOutOfRangeException": -2146233080,
    "System.InvalidCastException": -2147467262, "System.InvalidOperationException": -2146233079,
    "System.NotSupportedException": -2146233067, "System.NotImplementedException": -2147467263,
    "System.NullReferenceException": -2147467261, "System.TimeoutException": -2146233083,
    "System.UnauthorizedAccessException": -2147024891, "System.UriFormatException": -2146233033,
    "System.Collections.Generic.KeyNotFoundException": -2146232969,
}  # fmt: skip


def _root(error: DotNetError) -> DotNetError:
    while error.inner is not None:
        error = error.inner
    return error


members(
    EXCEPTION,
    {
        "string Message": attribute("message"),
        "Exception? InnerException": attribute("inner"),
        "string? HelpLink": lambda error: None,
        "int HResult": lambda error: _CODES.get(error.kind, -2146233088),
        "string? StackTrace": lambda error: "",
        "string? Source": lambda error: "",
        "Exception GetBaseException()": _root,
        "string ToString()": _describe,
    },
)


def _type_of(error: DotNetError) -> Type:
    definition = find(error.kind)
    return generic(definition.name if definition else "Exception")


DotNetError.dotnet = property(_type_of)  # type: ignore[attr-defined]


def make_catchable(error: Exception) -> DotNetError:
    """What a C# catch sees of a Python exception; a spent budget is not catchable and goes on."""
    spend(EXCEPTION_STEPS)
    if isinstance(error, DotNetError):
        return error
    if isinstance(error, (BudgetExhausted, RecursionError)):
        raise error
    return DotNetError("System.Exception", "The expression failed.")


def catches(error: DotNetError, kind: str) -> bool:
    """Whether `catch (kind)` takes this exception."""
    if kind == "System.Exception" or kind == error.kind:
        return True
    wanted = find(kind)
    return wanted is not None and any(above.definition is wanted for above in _type_of(error).ancestry())


def raise_exception(error: DotNetError | None) -> NoReturn:
    if error is None:
        raise DotNetError("System.NullReferenceException", "Object reference not set to an instance of an object.")
    raise error
