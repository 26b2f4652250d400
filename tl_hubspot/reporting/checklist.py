"""Findings of `doctor`: what was looked at, how it is, and how to mend it; as data and as text for a terminal.

What is looked at, and in which order, is in `orchestration.steps.doctor`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from tl_hubspot.errors import ExitCode, TlHubspotError

Level = Literal["ok", "warning", "problem"]
_MARKS: dict[Level, tuple[str, str]] = {
    "ok": ("ok", "green"),
    "warning": ("look", "yellow"),
    "problem": ("PROBLEM", "bold red"),
}


@dataclass(frozen=True)
class Finding:
    """One finding: `topic`, a sentence, and for what is not fine how to mend it. Never holds a secret.

    `looked`: False for what could not be looked at because of another problem.
    """

    topic: str
    level: Level
    sentence: str
    mend: str = ""
    exit_code: ExitCode = ExitCode.DONE
    looked: bool = True

    @classmethod
    def of(cls, topic: str, error: TlHubspotError) -> Finding:
        """A problem as the error tells it."""
        where = f" ({error.where})" if error.where else ""
        return cls(topic, "problem", f"{error.what}{where}.", f"{error.mend}." if error.mend else "", error.exit_code)

    def as_dict(self) -> dict[str, str]:
        """For JSON."""
        return {"topic": self.topic, "level": self.level, "sentence": self.sentence, "mend": self.mend}


def exit_code(findings: Sequence[Finding]) -> ExitCode:
    """0 without problems, 2 for problems of configuration, 4 when a system was unreachable or refused us."""
    return max((finding.exit_code for finding in findings), default=ExitCode.DONE)


def render(findings: Sequence[Finding]) -> RenderableType:
    """The checklist, and one sentence about the whole."""
    parts: list[RenderableType] = []
    topic = None
    for finding in findings:
        if finding.topic != topic:
            topic = finding.topic
            parts.append(Text(topic, style="bold"))
        mark, style = _MARKS[finding.level]
        line = Text.assemble((f"{mark}: ", style), finding.sentence)
        if finding.mend and finding.level != "ok":
            line.append(f" {finding.mend}")
        parts.append(Padding(line, (0, 0, 0, 2)))
    parts.append(Text("\nIn short", style="bold"))
    parts += [Padding(_short(topic, findings), (0, 0, 0, 2)) for topic in dict.fromkeys(f.topic for f in findings)]
    parts.append(Text(f"\n{_whole(findings)}", style="bold"))
    return Group(*parts)


def seen(findings: Iterable[Finding], topics: Collection[str]) -> Iterator[Finding]:
    """The findings; warnings of topics that a person has seen to are fine. Problems stay problems."""
    names = {topic.strip().casefold() for topic in topics}
    for finding in findings:
        if finding.level == "warning" and finding.looked and finding.topic.casefold() in names:
            finding = replace(finding, level="ok", sentence=f"{finding.sentence} Seen to by you.", mend="")
        yield finding


def _short(topic: str, findings: Sequence[Finding]) -> Text:
    levels = {f.level for f in findings if f.topic == topic}
    if "problem" in levels:
        return Text(f"✗ {topic}", style="red")
    if not all(f.looked for f in findings if f.topic == topic):
        return Text(f"• {topic}: not looked at yet", style="yellow")
    if "warning" in levels:
        return Text(f"• {topic}: see to it yourself", style="yellow")
    return Text(f"✓ {topic}", style="green")


def _whole(findings: Sequence[Finding]) -> str:
    problems = sum(finding.level == "problem" for finding in findings)
    look = sum(finding.level == "warning" and finding.looked for finding in findings)
    to_look = f"{look} thing{'s' if look != 1 else ''} to look at yourself" if look else "nothing to look at"
    if problems:
        return f"{problems} problem{'s' if problems != 1 else ''} to mend before a sync; {to_look}."
    topics = ",".join(dict.fromkeys(f.topic for f in findings if f.level == "warning")).replace(" ", "")
    done = f"\nHave you seen to them? tl-hubspot doctor --seen {topics}" if look else ""
    return (
        f"Ready to sync; {to_look}.{done}"
        "\nNext: tl-hubspot plan (changes nothing), then tl-hubspot sync --subset 50,10,10"
    )
