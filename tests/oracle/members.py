"""How much of the documented allow-list the tables hold: .NET's own reflection against our signatures.

    python tests/oracle/members.py              one line per type, and the figure
    python tests/oracle/members.py --missing    and every member that is not there

A member counts when a member of ours of that name takes those parameters. Left out, because no expression can have the
values: spans, pointers, streams, tasks, delegates' Begin and End, reflection, serialization, culture objects.
Needs what tests/oracle/install.py installs.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

import install  # noqa: E402
import run  # noqa: E402

# namespace -> names; {..} narrows a type to these members
ALLOWED = {
    "System": """Array BitConverter Boolean Byte Char Convert DateTime{.ctor,AddDays,AddHours,AddMilliseconds,
        AddMinutes,AddMonths,AddSeconds,AddTicks,AddYears,Date,Day,DayOfWeek,DayOfYear,DaysInMonth,Hour,IsDaylightSavingTime,
        IsLeapYear,MaxValue,MinValue,Millisecond,Minute,Month,Now,Parse,Second,Subtract,Ticks,TimeOfDay,Today,ToString,
        UtcNow,Year} DateTimeKind{Utc} DateTimeOffset Decimal Double Enum{Parse,TryParse,ToString} Exception Guid Int16
        Int32 Int64 Math MidpointRounding Nullable`1 Object Random SByte Single String StringComparer StringComparison
        StringSplitOptions TimeSpan TimeZone TimeZoneInfo TimeZoneInfo+AdjustmentRule TimeZoneInfo+TransitionTime Tuple
        Tuple`1 Tuple`2 Tuple`3 Tuple`4 Tuple`5 Tuple`6 Tuple`7 UInt16 UInt32 UInt64 Uri UriPartial""",
    "System.Collections.Generic": """Dictionary`2 HashSet`1 ICollection`1 IDictionary`2 IEnumerable`1 IEnumerator`1
        IList`1 IReadOnlyCollection`1 IReadOnlyDictionary`2 ISet`1 KeyValuePair`2 List`1 Queue`1 Stack`1""",
    "System.IO": "StringReader StringWriter",
    "System.Linq": "Enumerable",
    "System.Net": """IPAddress{AddressFamily,Equals,GetAddressBytes,IsLoopback,Parse,TryParse,ToString} WebUtility""",
    "System.Text": "Encoding StringBuilder",
    "System.Text.RegularExpressions": """Capture{Index,Length,Value} CaptureCollection{Count,Item}
        GroupCollection{Count,Item} Group{Captures,Success} Match{Empty,Groups,Result}
        Regex{.ctor,IsMatch,Match,Matches,Replace,Unescape,Split} RegexOptions""",
    "Newtonsoft.Json": "Formatting JsonConvert{SerializeObject,DeserializeObject}",
    "Newtonsoft.Json.Linq": """Extensions JArray JConstructor JContainer JObject JProperty JRaw JToken JTokenType
        JValue""",
    "System.Xml.Linq": """Extensions XAttribute XCData XComment XContainer XDeclaration XDocument XDocumentType XElement
        XName XNamespace XNode XNodeDocumentOrderComparer XNodeEqualityComparer XObject XProcessingInstruction
        XText""",
    "System.Security.Cryptography": """AsymmetricAlgorithm CipherMode HashAlgorithm HashAlgorithmName HMAC HMACMD5
        HMACSHA1 HMACSHA256 HMACSHA384 HMACSHA512 KeyedHashAlgorithm MD5 Oid PaddingMode RSA RSAEncryptionPadding
        RSASignaturePadding SHA1 SHA256 SHA384 SHA512 SymmetricAlgorithm""",
}
# what an expression cannot hold, hand over or get
OUTSIDE = re.compile(
    r"Span|Memory|Stream|Task|Async|CultureInfo|NumberStyles|DateTimeStyles|CompareOptions|SerializationInfo|IntPtr|"
    r"\*|Pointer|\bType\b|TypeCode|ICustomFormatter|Decoder|Encoder|NormalizationForm|Rune|TypedReference|Calendar|"
    r"StringBuilder\+|CompareInfo|MethodBase|BindingFlags|ReadOnlySequence|XmlReader|XmlWriter|XmlSchema|JsonReader|"
    r"JsonWriter|JsonSerializer|JsonConverter|dynamic|IDynamic|TraceWriter|ListChanged|PropertyChang|AddingNew|"
    r"NotifyCollection|UriFormat|UriComponents|IEqualityComparer$|ArrayList|\bIDictionary$|UnicodeCategory|"
    r"TextWriter$|char&|HexNumber|ParameterInfo|System.Collections.I|long\[\]|IFormatProvider|ReadOnlyCollection$|"
    r"ReadOnlyCollection<|NameValue|IEnumerator|\bIComparer\b(?!<)|EncodingProvider|EncodingInfo|TextWriter"
)
# object's own, and what only the framework calls
ALWAYS = ("GetType", "GetTypeCode", "GetObjectData", "OnDeserialization", "value__", "GetPinnableReference",
          "MemberwiseClone", "CreateObjRef", "GetLifetimeService", "InitializeLifetimeService")  # fmt: skip
ASK = """@{
  string Name(System.Type t) {
    if (t.IsByRef) return Name(t.GetElementType()) + "&";
    if (t.IsArray) return Name(t.GetElementType()) + (t.GetArrayRank() == 1 ? "[]" : "[,]");
    if (t.IsGenericParameter) return t.Name;
    if (t.IsGenericType) return t.GetGenericTypeDefinition().Name.Split('`')[0] + "<"
      + string.Join(",", t.GetGenericArguments().Select(Name)) + ">";
    return t.IsNested ? t.DeclaringType.Name + "+" + t.Name : t.Name;
  }
  string Of(System.Reflection.ParameterInfo[] all) => string.Join(";", all.Select(p =>
    (p.IsDefined(typeof(ParamArrayAttribute), false) ? "params " : p.IsOut ? "out " : "") + Name(p.ParameterType)));
  var flags = System.Reflection.BindingFlags.Public | System.Reflection.BindingFlags.Instance
    | System.Reflection.BindingFlags.Static;
  var lines = new List<string>();
  foreach (var name in "NAMES".Split(' ')) {
    var t = AppDomain.CurrentDomain.GetAssemblies().Select(a => a.GetType(name)).FirstOrDefault(x => x != null);
    if (t == null) { lines.Add(name + "\\tabsent"); continue; }
    foreach (var c in t.GetConstructors(flags)) lines.Add(name + "\\t.ctor\\t" + Of(c.GetParameters()) + "\\tnew");
    foreach (var f in t.GetFields(flags)) lines.Add(name + "\\t" + f.Name + "\\t-\\t" + Name(f.FieldType));
    foreach (var p in t.GetProperties(flags)) lines.Add(name + "\\t" + p.Name + "\\t"
      + (p.GetIndexParameters().Length > 0 ? Of(p.GetIndexParameters()) : "-") + "\\t" + Name(p.PropertyType));
    foreach (var m in t.GetMethods(flags)) {
      if (m.IsSpecialName && !m.Name.StartsWith("op_")) continue;
      lines.Add(name + "\\t" + m.Name + "\\t" + Of(m.GetParameters()) + "\\t" + Name(m.ReturnType));
    }
  }
  return string.Join("\\n", lines.Distinct());
}"""
_LOAD = (
    "typeof(Enumerable).Name + typeof(Uri).Name + typeof(Regex).Name + typeof(IPAddress).Name + typeof(WebUtility).Name"
    " + typeof(JObject).Name + typeof(XElement).Name + typeof(SHA256).Name + typeof(HashSet<int>).Name"
    " + typeof(StringReader).Name"
)
KEYWORDS = {
    "Boolean": "bool", "Char": "char", "SByte": "sbyte", "Byte": "byte", "Int16": "short", "UInt16": "ushort",
    "Int32": "int", "UInt32": "uint", "Int64": "long", "UInt64": "ulong", "Single": "float", "Double": "double",
    "Decimal": "decimal", "String": "string", "Object": "object",
}  # fmt: skip


def wanted() -> dict[str, set[str] | None]:
    """Full type name -> the members that count, None for all."""
    found: dict[str, set[str] | None] = {}
    for namespace, names in ALLOWED.items():
        for name, only in re.findall(r"([\w`+]+)(?:\{([^}]*)\})?", names):
            found[f"{namespace}.{name}"] = set(re.split(r"\s*,\s*", only.strip())) if only else None
    return found


def dotnet() -> list[tuple[str, str, list[str], str]]:
    """(type, member, parameters, result) of everything that counts."""
    listing = ASK.replace("NAMES", " ".join(wanted())).replace("@{", f"@{{ var load = {_LOAD};", 1)
    answer = run.ask([listing])[0]
    if "gives" not in answer:
        raise SystemExit(f"the compiler did not answer: {answer}")
    found = []
    for line in str(answer["gives"]).splitlines():
        kind, name, *rest = line.split("\t")
        only = wanted()[kind]
        if name == "absent" or name in ALWAYS or (only is not None and name not in only):
            continue
        given, returns = rest
        if OUTSIDE.search(f"{given} {returns}") or (kind.endswith("Enum") and name == "ToString" and given):
            continue
        parameters = [] if given in ("", "-") else given.split(";")
        found.append((kind, name, parameters, returns))
    return found


def _plain(name: str) -> str:
    return re.sub(r"\w+", lambda word: KEYWORDS.get(word[0], word[0]), name)


def _alike(source: Any, target: Any) -> bool:
    """The same type but for the names of type parameters."""
    if target.is_parameter:
        return True
    if source.is_parameter:
        return target.name in ("object", "JToken")
    same = source.name == target.name and len(source.args) == len(target.args)
    return same and all(_alike(one, other) for one, other in zip(source.args, target.args, strict=True))


def _fits(given: str, parameter: Any) -> bool:
    """Whether what .NET takes at this place may be passed at ours."""
    from proxy.expressions.conversions import implicit
    from proxy.expressions.table import read_type
    from proxy.expressions.types import has_parameters

    target = parameter.type
    text = _plain(given.removeprefix("params ").removeprefix("out ").rstrip("&"))
    text = re.sub(r"Nullable<(\w+)>", r"\1?", text).replace("TimeZoneInfo+", "")
    try:
        source = read_type(text)
    except ValueError:
        return False
    if parameter.params and not given.startswith("params ") and not source.is_array:
        target = target.args[0]
    if source is target or (text == "Array" and target.is_array) or (text == "Enum" and target.is_enum):
        return True
    if has_parameters(source) or has_parameters(target):
        return _alike(source, target) or any(_alike(above, target) for above in source.ancestry())
    return implicit(source, target) is not None


def has(kind: str, name: str, parameters: list[str], returns: str) -> bool:
    from proxy.expressions.types import find

    short, _, arity = kind.partition("`")
    full = short.replace("+", ".")
    definitions = [find(full, int(arity or 0)), find(full.rsplit(".", 1)[-1], int(arity or 0))]
    if kind == "System.Array":
        definitions += [find("[]", 1), find("Array")]
    if kind.endswith("Exception"):
        definitions.append(find("Exception"))
    pool = [d for d in dict.fromkeys(definitions) if d is not None]
    if name.startswith("op_") and (short.rsplit(".", 1)[-1] in KEYWORDS or short == "System.Nullable"):
        return True  # the language's own operators
    above = [base.definition for d in pool for base in d.bases for base in base.ancestry() if base.definition]
    objects = find("object")
    members = []
    for definition in dict.fromkeys([*pool, *above, objects]):
        assert definition is not None
        if name == ".ctor":
            members += definition.constructors if definition in pool else []
        elif name in ("op_Implicit", "op_Explicit"):
            members += definition.conversions
            sources = [find(_plain(given)) for given in parameters]
            members += [found for source in sources if source is not None for found in source.conversions]
        elif (name == "Item" and parameters) or name == "Chars":
            members += definition.indexers
        else:
            members += definition.members.get(name, [])
    for member in members:
        extension = [*member.parameters]
        least = sum(not p.optional and not p.params for p in extension)
        most = 99 if extension and extension[-1].params else len(extension)
        if least <= len(parameters) <= most and all(
            _fits(given, extension[min(i, len(extension) - 1)]) for i, given in enumerate(parameters)
        ):
            return True
    return False


def main() -> int:
    if not (install.FOLDER / "run" / "Driver.dll").exists():
        print("no C# compiler here: run python tests/oracle/install.py")
        return 0
    import proxy.expressions.dotnet.index  # noqa: F401
    from proxy.expressions.types import settle

    settle()
    table: dict[str, list[tuple[str, bool]]] = {}
    for kind, name, parameters, returns in dotnet():
        shown = f"{name}({', '.join(parameters)})" if parameters else name
        table.setdefault(kind, []).append((shown, has(kind, name, parameters, returns)))
    missing = "--missing" in sys.argv
    for kind, rows in table.items():
        there = sum(found for _, found in rows)
        print(f"{kind:50} {there:4} of {len(rows):4}")
        if missing:
            for shown, found in rows:
                if not found:
                    print(f"        {shown}")
    there = sum(found for rows in table.values() for _, found in rows)
    total = sum(map(len, table.values()))
    print(f"{there} of {total} members of the allow-list ({100 * there / total:.1f} %)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
