"""The commands of a fenced block, with what the block says about each: its output and its exit code."""

import re
from dataclasses import dataclass

from tests.documentation.pages import Block

_EXIT_CODE = re.compile(r"# exit code (\d+)")
_BETWEEN = "@@ the command ended with "


@dataclass(frozen=True)
class Command:
    """One command of a console session, as it is shown."""

    text: str
    """Without the prompts; several lines if it goes on."""
    output: str
    """The output that the page shows below it."""

    @property
    def code(self) -> int:
        """The exit code that the page names; else 0."""
        found = _EXIT_CODE.search(self.text)
        return int(found[1]) if found else 0


def session(block: Block) -> list[Command]:
    """Return the commands of a block that shows prompts and outputs."""
    found: list[Command] = []
    for line in block.text.splitlines(keepends=True):
        if line.startswith("$ "):
            found.append(Command(line[2:], ""))
        elif line.startswith("> "):
            found[-1] = Command(found[-1].text + line[2:], "")
        else:
            found[-1] = Command(found[-1].text, found[-1].output + line)
    return found


def one_by_one(commands: list[Command]) -> str:
    """Return a script that runs commands in one shell and marks the end of each, with its exit code."""
    return "".join(f"{command.text.rstrip()}\ncode=$?; echo; echo '{_BETWEEN}'$code\n" for command in commands)


def outcomes(told: str) -> list[tuple[str, int]]:
    """Return what each command of such a script printed and its exit code."""
    parts = re.split(rf"\n{re.escape(_BETWEEN)}(\d+)\n", told)
    return [(output, int(code)) for output, code in zip(parts[::2], parts[1::2], strict=False)]


def expected_codes(block: Block) -> list[int]:
    """Return the exit codes that a block of commands names, which are those that are not 0."""
    return [int(code) for code in _EXIT_CODE.findall(block.text)]


def matches(shown: str, printed: str) -> bool:
    """Whether a page shows what was printed; `…` at the end of a word or in quotes stands for anything."""
    pattern = re.escape(shown.strip()).replace("…", ".*")
    return re.fullmatch(pattern, printed.strip()) is not None
