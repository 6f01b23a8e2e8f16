"""A template with all that is nested in it or linked from it, as a flat list of resources in the order of dependsOn.

Nothing is deployed: a resource is a type, a name and properties. A deployment within the template is evaluated when its
turn comes, or earlier when somebody refers to what it gives out.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from passerelle.plane import Target
from passerelle.templates import text
from passerelle.templates.about import about, group_id
from passerelle.templates.expressions import Scope, evaluate
from passerelle.templates.links import Links
from passerelle.templates.template import Later, Properties, expanded, functions, parameters, section, turns, variables
from passerelle.templates.wrong import TemplateWrong

DEPLOYMENT = "microsoft.resources/deployments"
DEEPEST = 16  # deployments in deployments
MOST_RESOURCES = 100_000
# what the parts of a template that are no expressions raise when they are of another shape: there are too many to ask
MISSHAPEN = (AttributeError, TypeError, KeyError, ValueError)
SHAPE = "something here has not the shape that a template has"


@dataclass(frozen=True)
class Found:
    """A resource; `properties` are evaluated when they are asked for, with those given that stand in for what the
    template says, by dotted path. `source` and `place` are where it stands."""

    type: str
    name: str
    properties: Callable[[Mapping[str, str]], Properties]
    source: str
    place: str


@dataclass
class Instance:
    """One turn of a resource of a template."""

    type: str
    name: str
    body: Properties
    scope: Scope
    place: str
    symbol: str
    loop: str
    existing: bool = False
    children: list[Instance] = field(default_factory=list)
    outputs: Later | None = None
    done: bool = False


class Evaluation:
    def __init__(self, target: Target, links: Links, wanted: Callable[[str], bool] = lambda name: True) -> None:
        """`wanted` says whether a deployment within the template is looked at, by its name."""
        self.target = target
        self.wanted = wanted
        self.links = links
        self.found: list[Found] = []
        self.problems: list[TemplateWrong] = []

    def run(self, template: Properties, given: Mapping[str, Any], source: str) -> None:
        """Fills `found` and `problems`."""
        try:
            _Level(self, template, given, source, "", Path(source).stem, 0).run()
        except TemplateWrong as error:
            self.problems.append(error.at(source))
        except MISSHAPEN:
            self.problems.append(TemplateWrong(SHAPE, source))


class _Level:
    """One template within an evaluation."""

    def __init__(
        self,
        whole: Evaluation,
        template: Properties,
        given: Mapping[str, Any],
        source: str,
        place: str,
        name: str,
        depth: int,
        outer: Scope | None = None,
    ) -> None:
        if depth > DEEPEST:
            raise TemplateWrong(f"deployments are nested deeper than {DEEPEST} levels")
        if "resources" not in template:
            raise TemplateWrong('this is no template: it has no "resources"')
        self.whole, self.template, self.source, self.place = whole, template, source, place
        self._name, self._depth = name, depth
        if outer is None:
            values = parameters(template, given, lambda: self.scope)
            known = variables(template, lambda: self.scope)
            special: dict[str, Callable[..., Any]] = {
                "parameters": lambda name: values[name],
                "variables": lambda name: known[name],
                **about(self.whole.target, source, name),
            }
            self.scope = Scope({**special, **self._resources()}, functions(template))
        else:  # the expressions of an inline template are its parent's, unless it says otherwise
            special = {**outer.special, **self._resources()}
            self.scope = Scope(special, outer.own, outer.locals, outer.loops)
            self._beyond = outer.special["reference"]
        self._outer = outer
        self.instances: list[Instance] = []

    def run(self) -> None:
        resources = self.template["resources"]
        if isinstance(resources, dict):
            entries = [(f"resources/{name}", name, body) for name, body in resources.items()]
        else:
            entries = [(f"resources/{n}", "", body) for n, body in enumerate(resources or [])]
        for place, symbol, body in entries:
            self._guarded(place, partial(self._instances, place, symbol, body, None))
        for instance in self._ordered():
            self._guarded(instance.place, partial(self._do, instance))

    def outputs(self) -> Later:
        declared = section(self.template, "outputs")

        def find(name: str) -> Properties:
            each = declared[name]
            if "copy" in each:
                loop = {**each["copy"], "name": name}
                return {"value": expanded({"copy": [loop]}, self.scope, f"outputs/{name}")[name]}
            return {"type": each.get("type"), "value": expanded(each.get("value"), self.scope, f"outputs/{name}")}

        return Later(declared, find, "output")

    def _guarded(self, place: str, act: Callable[[], None]) -> None:
        """Every resource is looked at, so that all that is wrong is told at once."""
        try:
            act()
        except (TemplateWrong, *MISSHAPEN) as error:
            wrong = error if isinstance(error, TemplateWrong) else TemplateWrong(SHAPE)
            where = f"{self.place}/{place}" if self.place else place
            self.whole.problems.append(wrong.at(where).at(self.source))

    def _instances(self, place: str, symbol: str, body: Any, parent: Instance | None) -> None:
        if not isinstance(body, dict) or not isinstance(body.get("type"), str):
            raise TemplateWrong("a resource is an object with a type and a name")
        scope = parent.scope if parent else self.scope
        loop = body.get("copy")
        if not isinstance(loop, dict):
            self._instance(place, symbol, body, scope, parent, "")
            return
        name = str(loop.get("name", ""))
        for n in range(turns(loop, scope)):
            self._instance(
                f"{place}[{n}]", f"{symbol}[{n}]" if symbol else "", body, scope.within(name, n), parent, name
            )

    def _instance(
        self, place: str, symbol: str, body: Properties, scope: Scope, parent: Instance | None, loop: str
    ) -> None:
        condition = evaluate(body.get("condition", True), scope)
        if condition is False or (isinstance(condition, str) and condition.lower() == "false"):
            return
        kind = str(evaluate(body["type"], scope))
        kind = kind.partition("@")[0]
        name = evaluate(body["name"], scope) if "name" in body else symbol
        if not isinstance(name, str):
            raise TemplateWrong("the name must be a text", "name")
        if parent is not None and not ("/" in kind and "." in kind.partition("/")[0]):
            kind, name = f"{parent.type}/{kind}", f"{parent.name}/{name}"
        instance = Instance(kind, name.strip("/"), body, scope, place, symbol, loop, body.get("existing") is True)
        self.instances.append(instance)
        if len(self.instances) + len(self.whole.found) > MOST_RESOURCES:
            raise TemplateWrong(f"the template makes more than {MOST_RESOURCES} resources")
        children = body.get("resources")
        if isinstance(children, list) and kind.lower() != DEPLOYMENT:
            for n, child in enumerate(children):
                where = f"{place}/resources/{n}"
                self._guarded(where, partial(self._instances, where, "", child, instance))

    def _ordered(self) -> list[Instance]:
        """By dependsOn, else as they stand."""
        known: dict[str, list[Instance]] = {}
        for each in self.instances:
            symbols = (each.symbol, each.symbol.partition("[")[0])
            for key in {self._id(each), each.name, each.name.rpartition("/")[2], *symbols, each.loop} - {""}:
                known.setdefault(key.lower(), []).append(each)
        ordered: list[Instance] = []
        state: dict[int, str] = {}
        stack = [(each, False) for each in reversed(self.instances)]
        while stack:
            each, after = stack.pop()
            if after:
                state[id(each)] = "done"
                ordered.append(each)
            elif id(each) not in state:
                state[id(each)] = "open"
                stack.append((each, True))
                for need in reversed(self._needs(each)):
                    stack.extend((other, False) for other in known.get(need, ()) if id(other) not in state)
        return ordered

    def _needs(self, instance: Instance) -> list[str]:
        found = []
        for each in instance.body.get("dependsOn") or []:
            try:
                found.append(str(evaluate(each, instance.scope)).lower())
            except TemplateWrong:  # an order that is not known matters to nobody here
                continue
        return found

    def _id(self, instance: Instance) -> str:
        names = instance.name.split("/")
        provider, _, rest = instance.type.partition("/")
        pairs = "".join(f"/{kind}/{name}" for kind, name in zip(rest.split("/"), names, strict=False))
        return f"{group_id(self.whole.target)}/providers/{provider}{pairs}"

    def _do(self, instance: Instance) -> None:
        if instance.existing or instance.done:
            return
        if instance.type.lower() == DEPLOYMENT:
            self._deploy(instance)
            return
        instance.done = True
        where = f"{self.place}/{instance.place}" if self.place else instance.place
        self.whole.found.append(
            Found(instance.type, instance.name, partial(self._properties, instance), self.source, where)
        )

    def _properties(self, instance: Instance, given: Mapping[str, str]) -> Properties:
        written = copy.deepcopy(instance.body.get("properties") or {})
        for path, value in given.items():
            _set(written, path, value)
        found = expanded(written, instance.scope, "properties")
        if not isinstance(found, dict):
            raise TemplateWrong("an object was expected", "properties")
        return found

    def _deploy(self, instance: Instance) -> Later:
        """Evaluate a deployment, once; what it gives out."""
        if instance.outputs is not None:
            return instance.outputs
        if instance.done:
            raise TemplateWrong(f"the deployment {instance.name} needs what it gives out")
        instance.done = True
        if not self.whole.wanted(instance.name):
            return Later([], lambda name: None, "output")
        properties = instance.body.get("properties") or {}
        where = f"{self.place}/{instance.place}" if self.place else instance.place
        if "templateLink" in properties:
            level = self._linked(instance, properties)
        else:
            template = properties.get("template")
            if not isinstance(template, dict):
                raise TemplateWrong("a deployment needs a template or a templateLink", "properties")
            options = expanded(properties.get("expressionEvaluationOptions") or {}, instance.scope)
            inner = str(options.get("scope", "outer")).lower() == "inner"
            given: Mapping[str, Any] = self._given(instance, properties) if inner else {}
            level = _Level(
                self.whole, template, given, self.source, f"{where}/properties/template", instance.name,
                self._depth + 1, None if inner else instance.scope,
            )  # fmt: skip
        level.run()
        instance.outputs = level.outputs()
        return instance.outputs

    def _linked(self, instance: Instance, properties: Properties) -> _Level:
        link = expanded(properties["templateLink"], instance.scope, "properties/templateLink")
        address = link.get("relativePath") or link.get("uri") or link.get("url")
        if not isinstance(address, str) or not address:
            raise TemplateWrong(
                "a templateLink has a uri or a relativePath; template specs are in Azure", "templateLink"
            )
        source, content = self.whole.links.open(address, self.source)
        template = text.read(content, source)
        held: dict[str, Any] = {}
        if "parametersLink" in properties:
            linked = expanded(properties["parametersLink"], instance.scope, "properties/parametersLink")
            file, content = self.whole.links.open(str(linked.get("uri") or linked.get("relativePath")), self.source)
            held = values(text.read(content, file), file)
        given = self._given(instance, properties, held)
        try:
            return _Level(self.whole, template, given, source, "", instance.name, self._depth + 1)
        except TemplateWrong as error:
            raise error.at(source) from None

    def _given(
        self, instance: Instance, properties: Properties, linked: Mapping[str, Any] = MappingProxyType({})
    ) -> Later:
        """The parameters of a deployment, each evaluated when it is asked for; `linked` are those of a file."""
        entries = {name: each for name, each in (properties.get("parameters") or {}).items() if isinstance(each, dict)}

        def find(name: str) -> Any:
            if name not in entries:
                return linked[name]
            entry = {key: expanded(each, instance.scope, f"parameters/{name}") for key, each in entries[name].items()}
            return _value(name, entry)

        return Later({**linked, **entries}, find, "parameter")

    def _resources(self) -> dict[str, Callable[..., Any]]:
        return {"reference": self._reference, "references": self._references}

    def _reference(self, named: Any, *more: Any) -> Any:
        """What another resource of the template says of itself."""
        wanted = str(named).lower()
        for each in self.instances:
            if not each.existing and wanted in (each.symbol.lower(), each.name.lower(), self._id(each).lower()):
                return self._said(each, more)
        if self._outer is not None:
            return self._beyond(named, *more)
        raise TemplateWrong(
            "reference() asks Azure for a resource that this template does not hold: give the value by --property"
        )

    def _references(self, named: Any, *more: Any) -> list[Any]:
        """Those of all turns of a loop, by its symbolic name."""
        wanted = f"{named}[".lower()
        return [self._said(each, more) for each in self.instances if each.symbol.lower().startswith(wanted)]

    def _said(self, instance: Instance, more: tuple[Any, ...]) -> Any:
        if instance.type.lower() == DEPLOYMENT:
            said: Any = {"outputs": self._deploy(instance), "provisioningState": "Succeeded"}
        else:
            said = Declared(self._properties(instance, {}), instance.type)
        whole = len(more) > 1 and str(more[1]).lower() == "full"
        return {"properties": said, "id": self._id(instance), "name": instance.name} if whole else said


class Declared(dict[str, Any]):
    """The properties that a template gives a resource; what is not there, Azure would compute."""

    def __init__(self, properties: Properties, type: str) -> None:
        super().__init__(properties)
        self.type = type


def _set(written: Any, path: str, value: str) -> None:
    *holders, last = path.split(".")
    for step in holders:
        written = written.setdefault(step, {}) if isinstance(written, dict) else None
    if not isinstance(written, dict):
        raise TemplateWrong(f"there is no place for {path}", "properties")
    written[last] = f"[{value}" if value.startswith("[") else value


def values(document: Properties, source: str) -> dict[str, Any]:
    """Of a parameter file. Raises TemplateWrong."""
    entries = section(document, "parameters") if "parameters" in document else document
    try:
        return {
            name: _value(name, entry)
            for name, entry in entries.items()
            if not name.startswith("$") and name != "contentVersion"
        }
    except TemplateWrong as error:
        raise error.at(source) from None


def _value(name: str, entry: Any) -> Any:
    if isinstance(entry, dict) and "value" in entry:
        return entry["value"]
    if isinstance(entry, dict) and "reference" in entry:
        raise TemplateWrong(f"the parameter {name} lies in a key vault: give its value by --set {name}=@FILE")
    raise TemplateWrong(f'the parameter {name} must be an object with a "value"')
