"""Definite assignment: a variable is read only where C# can prove that it has a value.

A state is an integer with a bit for each watched variable that surely has a value; `EVERY` is the state of code that is
never reached. A condition has two states, after true and after false.

Leniency: what a local function reads of the variables around it is not checked where it is called.
"""

from __future__ import annotations

from proxy.expressions.bind_flow import is_true
from proxy.expressions.dotnet.exceptions import raise_exception
from proxy.expressions.errors import Finding
from proxy.expressions.tree import (
    Assign,
    Call,
    Concat,
    Conditional,
    Constant,
    Declare,
    Define,
    Evaluate,
    Expr,
    ForEach,
    Function,
    Goto,
    If,
    Invoke,
    Item,
    Jump,
    Labels,
    Lambda,
    Let,
    Local,
    Loop,
    Operator,
    Reference,
    Return,
    Section,
    Statement,
    Switch,
    Symbol,
    Throw,
    Try,
    TupleLiteral,
    Yield,
)

EVERY = -1
State = int


class Assignment:
    """The walk over one function; `watched` gives each variable without a value its bit."""

    def __init__(self, function: Function, watched: dict[Symbol, int]) -> None:
        self.function = function
        self.watched = watched
        self.outs = [symbol for symbol in function.parameters if symbol.given and symbol in watched]
        # of the loops and switches around: what held at each break and continue
        self.breaks: list[State] = []
        self.continues: list[State] = []
        self.jumps: dict[int, State] = {}

    # expressions

    def expr(self, node: Expr, state: State) -> State:
        match node:
            case Local():
                self._read(node, state)
            case Reference():
                if not node.out:
                    self._read(node, state)
                return state | self._bit(node.symbol)
            case Assign():
                return self.expr(node.value, state) | self._bit(node.symbol)
            case Conditional() | Operator(op="and" | "or" | "not"):
                yes, no = self.condition(node, state)
                return yes & no
            case Let():
                state = self._before(node, state)
                return self.expr(node.value, state)
            case Lambda():
                self._function(node.function, state)
            case Call():
                for argument in node.arguments:
                    state = self.expr(argument, state)
                if node.native.function is raise_exception:
                    return EVERY
            case Operator() | Concat():
                for operand in node.operands:
                    state = self.expr(operand, state)
            case TupleLiteral():
                for element in node.elements:
                    state = self.expr(element, state)
            case Invoke():
                state = self.expr(node.target, state)
                for argument in node.arguments:
                    state = self.expr(argument, state)
            case Item():
                return self.expr(node.source, state)
        return state

    def condition(self, node: Expr, state: State) -> tuple[State, State]:
        match node:
            case Constant(value=True):
                return state, EVERY
            case Constant(value=False):
                return EVERY, state
            case Operator(op="not"):
                yes, no = self.condition(node.operands[0], state)
                return no, yes
            case Operator(op="and"):
                missed = EVERY
                for operand in node.operands:
                    state, no = self.condition(operand, state)
                    missed &= no
                return state, missed
            case Operator(op="or"):
                met = EVERY
                for operand in node.operands:
                    yes, state = self.condition(operand, state)
                    met &= yes
                return met, state
            case Conditional():
                yes, no = self.condition(node.test, state)
                one, other = self.condition(node.yes, yes), self.condition(node.no, no)
                return one[0] & other[0], one[1] & other[1]
            case Let():
                return self.condition(node.value, self._before(node, state))
        after = self.expr(node, state)
        return after, after

    def _before(self, node: Let, state: State) -> State:
        for symbol, value in node.bindings:
            state = self.expr(value, state) | self._bit(symbol)
        for effect in node.effects:
            state = self.expr(effect, state)
        return state

    def _bit(self, symbol: Symbol) -> State:
        return self.watched.get(symbol, 0)

    def _read(self, node: Local | Reference, state: State) -> None:
        bit = self._bit(node.symbol)
        if bit and not state & bit:
            word = "out parameter" if node.symbol in self.outs else "local variable"
            raise Finding(f"Use of unassigned {word} '{node.symbol.name}'", node.place)

    def _function(self, function: Function, state: State) -> None:
        inner = Assignment(function, self.watched)
        for symbol in function.parameters:
            if symbol not in inner.outs:
                state |= self._bit(symbol)
        end = inner.statements(function.body, state)
        inner.leave(end)

    def leave(self, state: State) -> None:
        """The function ends here: its out parameters must have values."""
        for symbol in self.outs:
            if not state & self.watched[symbol]:
                raise Finding(
                    f"The out parameter '{symbol.name}' must be assigned to before control leaves the current method",
                    symbol.place,
                )

    # statements

    def statements(self, body: list[Statement], state: State) -> State:
        for statement in body:
            state = self.statement(statement, state)
        return state

    def statement(self, node: Statement, state: State) -> State:
        match node:
            case Declare():
                return state if state == EVERY else state & ~self._bit(node.symbol)
            case Evaluate() | Yield():
                return self.expr(node.value, state)
            case Return():
                self.leave(self.expr(node.value, state) if node.value is not None else state)
                return EVERY
            case Throw():
                if node.value is not None:
                    self.expr(node.value, state)
                return EVERY
            case If():
                yes, no = self.condition(node.test, state)
                return self.statements(node.yes, yes) & self.statements(node.no, no)
            case Jump():
                if node.kind == "break":
                    self.breaks[-1] &= state
                elif self.continues:
                    self.continues[-1] &= state
                return EVERY
            case Goto():
                self.jumps[id(node.target)] = self.jumps.get(id(node.target), EVERY) & state
                return EVERY
            case Loop():
                return self._loop(node, state)
            case ForEach():
                state = self.expr(node.source, state)
                self.breaks.append(EVERY)
                self.continues.append(EVERY)
                self.statements([*node.prepare, *node.body], state | self._bit(node.element))
                self.continues.pop()
                return state & self.breaks.pop()
            case Switch():
                return self._switch(node, state)
            case Labels():
                for label, body in node.pieces:
                    if label is not None:
                        state &= self.jumps.get(id(label), EVERY)
                    state = self.statements(body, state)
                return state
            case Try():
                return self._try(node, state)
            case Define():
                self._function(node.function, EVERY & ~self._own(node.function))
        return state

    def _own(self, function: Function) -> State:
        """The bits of the variables that live in the function or in functions inside it."""
        bits = 0
        for symbol, bit in self.watched.items():
            owner: Function | None = symbol.owner
            while owner is not None and owner is not function:
                owner = owner.parent
            bits |= bit if owner is function else 0
        return bits

    def _loop(self, node: Loop, state: State) -> State:
        self.breaks.append(EVERY)
        self.continues.append(EVERY)
        if node.post:
            assert node.test is not None
            state = self.statements(node.body, state) & self.continues.pop()
            _, left = self.condition(node.test, state)
            return left & self.breaks.pop()
        yes, left = self.condition(node.test, state) if node.test is not None else (state, EVERY)
        body = self.statements(node.body, yes)
        self.statements(node.step, body & self.continues.pop())
        return (EVERY if is_true(node.test) else left) & self.breaks.pop()

    def _switch(self, node: Switch, state: State) -> State:
        self.breaks.append(EVERY)
        starts: list[tuple[Section, State]] = []
        for section in node.sections:
            met = EVERY
            for test in section.tests:
                yes, state = self.condition(test, state)
                met &= yes
            starts.append((section, met))
        for section, met in starts:
            start = met & (state if section.default else EVERY) & self.jumps.get(id(section), EVERY)
            self.statements(section.body, start)
        default = any(section.default for section in node.sections)
        return self.breaks.pop() & (EVERY if default else state)

    def _try(self, node: Try, state: State) -> State:
        end = self.statements(node.body, state)
        for clause in node.catches:
            start = state if clause.symbol is None else state | self._bit(clause.symbol)
            if clause.test is not None:
                start, _ = self.condition(clause.test, start)
            end &= self.statements(clause.body, start)
        if not node.final:
            return end
        return end | self.statements(node.final, state)


def check_assigned(function: Function, unassigned: list[Symbol]) -> None:
    """Raises Finding at the first use of a variable that may have no value. `unassigned`: declared without one."""
    if not unassigned:
        return
    watched = {symbol: 1 << index for index, symbol in enumerate(unassigned)}
    walk = Assignment(function, watched)
    walk.leave(walk.statements(function.body, 0))
