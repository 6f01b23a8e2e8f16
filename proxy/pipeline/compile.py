"""Policy text to steps: `compile_document`. Runs when configuration is applied, never while a request is served.

Rules
1. It never raises: what is wrong becomes an issue with its place, and one look finds all of them.
2. Each policy must be known, in a section and at a scope where it is allowed.
3. A fragment is spliced literally; its own mistakes are reported at their place in the fragment.
4. Ids for counters are made of scope id, section and path, so that they outlive configurations.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import proxy.policies  # noqa: F401  (fills the registry)
from proxy.errors import Origin
from proxy.pipeline.described import Lookup, Need, found_in, not_there
from proxy.pipeline.documented import ABSENT, DOCUMENTED
from proxy.pipeline.element import Element
from proxy.pipeline.findings import nearest
from proxy.pipeline.issue import Issue
from proxy.pipeline.markup import read_document
from proxy.pipeline.nodes import Node
from proxy.pipeline.registry import BACKEND, REGISTRY, SECTIONS, Definition
from proxy.pipeline.source import Source, substitute
from proxy.pipeline.steps import BASE, Base, Block, Step
from proxy.schemas.library import Library

if TYPE_CHECKING:
    from proxy.config.resources import Backend, Certificate, Connection, Logger

log = logging.getLogger("proxy.pipeline")

# What an expression needs to last: statements, lambdas, queries, bodies, patterns, generated sequences.
_LASTING = re.compile(r"@\{|=(?:>|&gt;|&#)|\bfrom\s[^<>]{1,60}\sin\s|\bBody\b|Regex|Enumerable")


DATA_SOURCES = ("http-data-source", "sql-data-source", "cosmosdb-data-source")
_ROOTS: Mapping[str, tuple[str, ...]] = {"fragment": ("fragment",), "resolver": DATA_SOURCES}


@dataclass(slots=True, frozen=True)
class Scope:
    """Where a document belongs: `kind` (global, workspace, product, api, operation, fragment, resolver) and `id`."""

    kind: str
    id: str = ""


@dataclass(slots=True, frozen=True)
class Environment:
    """What a document may refer to. `strict` False makes a missing reference a warning instead of an error, `skipping`
    True a documented policy that this gateway does not have: it is left out then, as in the gateway that we replace.
    `certificates`, `loggers`, `connections` or `schemas` None means that nobody knows which there are.
    `secrets` are values of named values that no trace may show.
    """

    named_values: Mapping[str, str] = field(default_factory=dict)
    fragments: Mapping[str, str] = field(default_factory=dict)
    backends: Mapping[str, Backend] | Collection[str] = ()
    strict: bool = True
    certificates: Mapping[str, Certificate] | Collection[str] | None = None
    loggers: Mapping[str, Logger] | None = None
    skipping: bool = False
    connections: Mapping[str, Connection] | None = None
    secrets: frozenset[str] = field(default=frozenset(), repr=False)
    schemas: Library | Collection[str] | None = None


@dataclass(slots=True, frozen=True)
class CompiledDocument:
    """`sections` has only the sections that the document has. `broken`: it has an error and must not run.

    `references` are ARM-like ids ("namedValues/x", "policyFragments/y", "backends/z", "backends/*" for an id that an
    expression makes): the document compiles to the same steps as long as these stay the same.
    """

    scope: Scope
    sections: dict[str, tuple[Step | Base, ...]]
    issues: tuple[Issue, ...] = ()
    references: frozenset[str] = frozenset()
    providers: frozenset[str] = frozenset()  # URLs of OpenID metadata that its steps will ask for
    needs: frozenset[Need] = frozenset()  # what its steps will ask of the operations below it
    lasting: bool = False  # it has expressions that may last

    @property
    def broken(self) -> bool:
        return any(issue.severity == "error" for issue in self.issues)

    @property
    def skipped(self) -> list[Issue]:
        """The policies that were left out."""
        return [issue for issue in self.issues if issue.code == "skipped"]


def compile_document(text: str, scope: Scope, environment: Environment) -> CompiledDocument:
    """Compile one document of a scope."""
    state = _State(scope, environment)
    sections: dict[str, tuple[Step | Base, ...]] = {}
    try:
        source = substitute(text, environment.named_values)
        root = state.root(source, *_ROOTS.get(scope.kind, ("policies",)))
        if root is not None:
            sections = _sections(root, source, state)
    except Exception as problem:  # rule 1; a defect of ours must not stop the configuration of others
        log.exception("compiling the policy of %s %s failed", scope.kind, scope.id)
        state.issues.append(Issue(1, 1, "policies", f"The document cannot be compiled: {problem!r}.", "internal"))
    issues = sorted(state.issues, key=lambda issue: (issue.line, issue.column))
    return CompiledDocument(
        scope,
        sections,
        tuple(issues),
        frozenset(state.references),
        frozenset(state.providers),
        frozenset(state.needs),
        state.lasting,
    )


@dataclass(slots=True)
class _State:
    """What all compilers of one document share."""

    scope: Scope
    environment: Environment
    issues: list[Issue] = field(default_factory=list)
    references: set[str] = field(default_factory=set)
    # which bodies each policy compiled so far reads
    reads: list[frozenset[str]] = field(default_factory=list)
    providers: set[str] = field(default_factory=set)
    needs: set[Need] = field(default_factory=set)
    lasting: bool = False

    @property
    def missing(self) -> str:
        """The severity of a reference to something that does not exist."""
        return "error" if self.environment.strict else "warning"

    def root(self, source: Source, *names: str) -> Node | None:
        """Read a source, whose root is one of those; report what is wrong with it as a whole."""
        name = names[0]
        self.references.update(f"namedValues/{each}" for each in source.used)
        self.lasting = self.lasting or _LASTING.search(source.text) is not None
        prefix = f"In {source.title}: " if source.title else ""

        def tell(place: tuple[int, int], element: str, message: str, code: str, severity: str) -> None:
            self.issues.append(Issue(*place, element, prefix + message, code, severity, source.fragment))

        for offset, unknown in source.unknown:
            message = f"Named value '{unknown}' does not exist. Create it or correct the name."
            message += nearest(unknown, self.environment.named_values)
            element = source.element_of_original(offset) or name
            tell(source.place_of_original(offset), element, message, "unknown-named-value", self.missing)
        document = read_document(source.text)
        for problem in document.problems:
            kind, severity = ("malformed", "error") if problem.error else ("irregular", "warning")
            tell(source.place(problem.offset), problem.element or name, problem.message, kind, severity)
        root = document.root
        if root is None:
            return None
        if root.name not in names:
            remedy = f" Write <{name}> around it." if root.name in SECTIONS or root.name in REGISTRY else ""
            if root.name in DATA_SOURCES:
                remedy = " It is the document of a GraphQL resolver: apis/{api}/resolvers/{resolver}/policies/policy."
            wanted = " or ".join(f"<{each}>" for each in names)
            message = f"The root element is <{root.name}>; it must be {wanted}.{remedy}"
            tell(source.place(root.offset + 1), root.name, message, "wrong-root", "error")
            return None
        return root


def compiler_for(source: Source, scope: Scope, section: str, environment: Environment) -> Compiler:
    """The compiler of a single element, to learn what its policy asks for."""
    return Compiler(_State(scope, environment), section, source)


def _sections(root: Node, source: Source, state: _State) -> dict[str, tuple[Step | Base, ...]]:
    if state.scope.kind == "resolver":
        return {BACKEND: tuple(Compiler(state, BACKEND, source).steps((root,)))}
    top = Element(root, source, state.issues, missing=state.missing)
    if state.scope.kind == "fragment":
        compiler = Compiler(state, "inbound", source, anywhere=True)
        return {"fragment": tuple(compiler.steps(top.policies()))}
    sections: dict[str, tuple[Step | Base, ...]] = {}
    for name in SECTIONS:
        element = top.child(name)
        if element is not None:
            compiler = Compiler(state, name, source)
            sections[name] = tuple(compiler.steps(element.policies(), bases=True))
    top.finish()
    return sections


@dataclass(slots=True, frozen=True)
class Compiler:
    """What a policy factory may ask about its surroundings. `path` is that of the policy being compiled."""

    _state: _State
    section: str
    source: Source
    path: str = ""
    anywhere: bool = False  # a fragment checked on its own has no section or scope yet
    including: tuple[str, ...] = ()
    part: str = ""  # of a resolver: the element whose policies these are
    only: frozenset[str] = frozenset()  # the policies that may stand in it, wherever else they may stand

    @property
    def scope(self) -> str:
        return self._state.scope.kind

    @property
    def scope_id(self) -> str:
        return self._state.scope.id

    @property
    def environment(self) -> Environment:
        return self._state.environment

    @property
    def document(self) -> str:
        """What a person calls the text that is being compiled."""
        owner = self.scope_id or ("the service" if self.scope == "global" else f"the {self.scope}")
        return f"{self.source.title} in the policy of {owner}" if self.source.title else f"the policy of {owner}"

    @property
    def definition_id(self) -> str:
        """A stable name for this very policy element, for counter keys."""
        return f"{self.scope}:{self.scope_id}/{self.section}/{self.path}"

    def sequence(self, element: Element) -> Block:
        """All children of an element, as policies."""
        steps = replace(self, path=element.path).steps(element.policies())
        return Block([step for step in steps if isinstance(step, Step)])

    def within(self, element: Element, section: str, only: frozenset[str]) -> Compiler:
        """The compiler of the policies in a part of a resolver, which run as those of a section do."""
        return replace(self, path=element.path, section=section, part=element.name, only=only)

    def parallel(self, element: Element) -> Block:
        """As `sequence`, for children that run at once: what they read, however deep, `element` reads before them."""
        before = len(self._state.reads)
        block = self.sequence(element)
        element.reads.update(*self._state.reads[before:])
        return block

    def fragment(self, element: Element, name: str) -> Block:
        """The policies of a fragment, to be spliced in where `element` stands."""
        state = self._state
        if not name:  # reported as a missing or bad attribute
            return Block(())
        state.references.add(f"policyFragments/{name}")
        text = self.environment.fragments.get(name)
        if text is None:
            hint = nearest(name, self.environment.fragments)
            element.issue(f"Fragment '{name}' does not exist.{hint}", "unknown-fragment", severity=state.missing)
            return Block(())
        if name in self.including:
            circle = " -> ".join((*self.including, name))
            element.issue(f"Fragments include each other in a circle: {circle}. Break it.", "fragment-cycle")
            return Block(())
        source = replace(substitute(text, self.environment.named_values), fragment=name)
        root = state.root(source, "fragment")
        if root is None:
            return Block(())
        inner = replace(self, source=source, including=(*self.including, name))
        return Block([step for step in inner.steps(root.children) if isinstance(step, Step)])

    def backend(self, element: Element, name: str) -> Backend | None:
        """A backend by name; None with an issue when there is none, and when only names are known here."""
        self._state.references.add(f"backends/{name}")
        backends = self.environment.backends
        if name not in backends:
            message = f"Backend with id '{name}' could not be found.{nearest(name, backends)}"
            element.issue(message, "unknown-backend", severity=self._state.missing)
            return None
        return backends[name] if isinstance(backends, Mapping) else None

    def any_backend(self) -> Mapping[str, Backend]:
        """All backends, for an id that only the request tells."""
        self._state.references.add("backends/*")
        backends = self.environment.backends
        return backends if isinstance(backends, Mapping) else {}

    def certificate(self, element: Element, name: str) -> Certificate | None:
        """A certificate by name; None with an issue when there is none, and when only names are known here."""
        self._state.references.add(f"certificates/{name}")
        known = self.environment.certificates
        if known is None or name in known:
            return known[name] if isinstance(known, Mapping) else None
        message = f"Certificate with id '{name}' could not be found.{nearest(name, known)}"
        element.issue(message, "unknown-certificate", severity=self._state.missing)
        return None

    def any_certificate(self) -> Mapping[str, Certificate]:
        """All certificates by name, for one that is known by its thumbprint or that only the request tells."""
        self._state.references.add("certificates/*")
        known = self.environment.certificates
        return known if isinstance(known, Mapping) else {}

    def logger(self, element: Element, name: str) -> Logger | None:
        """A logger by name; None with a warning when there is none, and when none are known here."""
        self._state.references.add(f"loggers/{name}")
        known = self.environment.loggers
        if known is None or name in known:
            return known[name] if known else None
        message = f"Logger with id '{name}' could not be found: its events are dropped.{nearest(name, known)}"
        element.issue(message, "unknown-logger", severity="warning")
        return None

    def any_logger(self) -> Mapping[str, Logger]:
        """All loggers by name, for one that only the request tells."""
        self._state.references.add("loggers/*")
        return self.environment.loggers or {}

    def connections(self) -> Mapping[str, Connection] | None:
        """All connections to credential providers, by "provider/connection" in lower case; None when none are known."""
        self._state.references.add("authorizationProviders/*")
        return self.environment.connections

    def schema(self, element: Element, name: str, reference: str, need: Need) -> Lookup:
        """A schema of the service by name, or a part of it ("#/components/schemas/Pet"). One that cannot be used is an
        issue, and a lookup that says so."""
        self._state.references |= {f"schemas/{name}", "schemas/*"}
        known = self.environment.schemas
        names = known.documents if isinstance(known, Library) else known
        if names is not None and name not in names:
            message = f"Schema with id '{name}' could not be found.{nearest(name, names)}"
            element.issue(message, "unknown-schema", severity=self._state.missing)
        if not isinstance(known, Library) or name not in known.documents:
            return not_there(name)
        if reference and not reference.startswith("#"):
            element.issue("Attribute 'schema-ref' must begin with '#', such as #/$defs/pet.", "invalid-attribute")
        found = found_in(known, name, reference.partition("#")[2], "", need)
        if found.problem:
            element.issue(f"Schema '{name}' cannot be used here. {found.problem}", "invalid-schema")
        return found

    def needs(self, need: Need) -> None:
        """Have the operations below this document prepared for what its steps will ask of them."""
        self._state.needs.add(need)

    def provider(self, url: str) -> None:
        """Have the keys of an OpenID provider fetched when the document comes into force."""
        self._state.providers.add(url)

    def steps(self, nodes: Sequence[Node], bases: bool = False) -> list[Step | Base]:
        """Compile sibling policies; `bases`: `<base/>` may stand here, once."""
        steps: list[Step | Base] = []
        counts: dict[str, int] = {}
        for node in nodes:
            counts[node.name] = count = counts.get(node.name, 0) + 1
            path = f"{self.path}/{node.name}[{count}]" if self.path else f"{node.name}[{count}]"
            element = Element(
                node,
                self.source,
                self._state.issues,
                path=path,
                missing=self._state.missing,
                document=self.document,
            )
            if node.name != "base":
                steps.extend(replace(self, path=path)._policy(element))
            elif not bases:
                element.issue("<base/> stands directly in a section. Move it there.", "misplaced-base")
            elif count > 1:
                element.issue("<base/> may stand once in a section. Remove one.", "duplicate-base")
            else:
                element.finish()
                steps.append(BASE)
        return steps

    def _check_place(self, element: Element, definition: Definition) -> None:
        refused = f"Policy '{element.name}' is not allowed"
        if self.part:
            if element.name not in self.only:
                element.issue(f"{refused} in <{self.part}>, only {', '.join(sorted(self.only))}.", "wrong-section")
            return
        if self.section not in definition.sections:
            where = ", ".join(name for name in SECTIONS if name in definition.sections)
            element.issue(f"{refused} in {self.section}, only in {where}.", "wrong-section")
        if self.scope not in definition.scopes:
            where = ", ".join(sorted(definition.scopes))
            element.issue(f"{refused} at scope {self.scope}, only at {where}.", "wrong-scope")

    def _unknown(self, element: Element) -> None:
        """Report a policy that is not in the index."""
        name = element.name
        why = f": {ABSENT[name]}" if name in ABSENT else ""
        if name not in DOCUMENTED:
            element.issue(f"Policy '{name}' is not known.{nearest(name, REGISTRY)}", "unknown-policy")
        elif self.environment.skipping:
            element.issue(f"Policy '{name}' is not supported and left out{why}.", "skipped", severity="warning")
        else:
            message = (
                f"Policy '{name}' is not supported{why}. Remove it, or have it left out with policy.check=lenient."
            )
            element.issue(message, "unsupported-policy")

    def _policy(self, element: Element) -> Sequence[Step]:
        definition = REGISTRY.get(element.name)
        if definition is None:
            self._unknown(element)
            return ()
        if not self.anywhere:
            self._check_place(element, definition)
        known = len(element.issues)
        handler = definition.factory(element, self)
        element.finish()
        if isinstance(handler, Block):
            return handler.steps
        errors = [issue for issue in element.issues[known:] if issue.severity == "error"]
        if errors:
            if self.environment.skipping and all(issue.code == "unsupported" for issue in errors):
                element.issues[known:] = [replace(each, severity="warning") for each in element.issues[known:]]
                element.issue(f"Policy '{element.name}' is left out.", "skipped", severity="warning")
            return ()
        self._state.reads.append(frozenset(element.reads))
        origin = Origin(
            definition.name, self.scope, self.section, self.path, element.policy_id, *element.position, self.document
        )
        return (Step.of(handler, origin, frozenset(element.reads)),)
