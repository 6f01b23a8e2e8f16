"""Random method bodies, run by .NET and by us: loops, switch, goto, try and closures; prints where they differ.

    python tests/oracle/programs.py [SEED] [COUNT]      default: 1 500; exit code 1 when any differs

Each body writes what it passes through into a string, so that the order of everything shows. Loops are bounded and
`goto` only leads forward: every program ends. Install first: tests/oracle/install.py.
"""

from __future__ import annotations

import random
import sys

import run

START = '@{ var s = ""; int k = 0; var fs = new List<Func<int>>(); '
END = ' return s + "|" + k + "|" + string.Join(",", fs.Select(f => f())) + string.Join(",", fs.Select(f => f())); }'


class Program:
    """One body under construction; `places` say what may be left from where the next statement stands."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.serial = 0
        self.names = ["k"]

    def name(self) -> str:
        self.serial += 1
        return f"x{self.serial}"

    def test(self) -> str:
        name, number = self.chance.choice(self.names), self.chance.randint(0, 3)
        forms = (
            f"{name} % 2 == 0",
            f"{name} > 1",
            f"k++ % 3 == {number}",
            f"{name} == {number}",
            f"(k + {name}) % 4 < 2",
        )
        return self.chance.choice(forms)

    def note(self) -> str:
        return f's += "{self.chance.choice("abcdefgh")}" + {self.chance.choice(self.names)};'

    def several(self, depth: int, *places: str) -> str:
        return " ".join(self.statement(depth, *places) for _ in range(self.chance.choice([1, 2, 2, 3])))

    def block(self, depth: int, *places: str) -> str:
        return f"{{ {self.several(depth, *places)} }}"

    def statement(self, depth: int, *places: str) -> str:
        if depth <= 0:
            return self.note()
        makers = [self.leave, self.leave, self.branch, self.loop, self.loop, self.switch, self.guarded, self.labelled]
        return self.chance.choice([*makers, self.closure, self.plain])(depth - 1, *places)

    def plain(self, depth: int, *places: str) -> str:
        return self.note()

    def leave(self, depth: int, *places: str) -> str:
        """break, continue, goto or return, under a condition."""
        jump = self.chance.choice(['return s + "R";', *places, *places])
        return f"if ({self.test()}) {jump}"

    def branch(self, depth: int, *places: str) -> str:
        other = f" else {self.block(depth, *places)}" if self.chance.random() < 0.5 else ""
        return f"if ({self.test()}) {self.block(depth, *places)}{other}"

    def loop(self, depth: int, *places: str) -> str:
        name = self.name()
        self.names.append(name)
        outer = [place for place in places if place.startswith("goto")]
        body = self.block(depth, "break;", "continue;", *outer)
        self.names.remove(name)
        return self.chance.choice([
            f"for (int {name} = 0; {name} < 3; {name}++) {body}",
            f"foreach (var {name} in new[] {{ 0, 1, 2 }}) {body}",
            f"{{ int {name} = 0; while ({name}++ < 3) {body} }}",
            f"{{ int {name} = 0; do {body} while ({name}++ < 2); }}",
        ])  # fmt: skip

    def switch(self, depth: int, *places: str) -> str:
        inner = {"break;", *places}
        count = self.chance.choice([2, 3])
        sections = []
        for number in range(count):
            ends = ["break;", "break;", *(place for place in places if place == "continue;")]
            ends += [f"goto case {self.chance.randint(0, 1)};"] if number > 1 else []
            sections.append(f"case {number}: {self.several(depth, *sorted(inner))} {self.chance.choice(ends)}")
        if self.chance.random() < 0.6:
            default = f"default: {self.several(depth, *sorted(inner))} break;"
            sections.insert(self.chance.randint(0, count), default)
        return f"switch ({self.chance.choice(self.names)} % 4) {{ {' '.join(sections)} }}"

    def guarded(self, depth: int, *places: str) -> str:
        fault = f'if ({self.test()}) throw new Exception("E" + k);' if self.chance.random() < 0.4 else ""
        made = f"try {{ {self.several(depth, *places)} {fault} }}"
        catches = self.chance.random() < 0.7
        if catches:
            guard = f" when ({self.test()})" if self.chance.random() < 0.2 else ""
            made += f" catch (Exception e{self.name()}){guard} {{ {self.several(depth - 1, *places)} }}"
        return f"{made} finally {{ {self.note()} }}" if not catches or self.chance.random() < 0.5 else made

    def labelled(self, depth: int, *places: str) -> str:
        label = f"L{self.name()}"
        before = self.several(depth, *places, f"goto {label};")
        return f"{{ {before} {label}: {self.note()} {self.several(depth, *places)} }}"

    def closure(self, depth: int, *places: str) -> str:
        name = self.name()
        return f"{{ int {name} = k; fs.Add(() => {name}++ + k); {self.note()} }}"


def main() -> int:
    given = [int(text) for text in sys.argv[1:]]
    seed, count = (*given, *(1, 500)[len(given) :])
    run._load_setup()
    chance = random.Random(seed)
    sources = list(dict.fromkeys(f"{START}{Program(chance).several(3)}{END}" for _ in range(count)))
    differing = asked = 0
    for source, answer in zip(sources, run.ask(sources), strict=True):
        mine = run.ours(source)
        asked += "refused" not in answer
        if not run.agrees(answer, mine, message=True):
            differing += 1
            print(f"{source}\n    .NET {answer}\n    ours {mine}")
    print(
        f"{asked - differing} of {asked} programs run alike; {len(sources) - asked} were no C# and are refused by both"
    )
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
