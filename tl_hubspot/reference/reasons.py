"""The page of the reason codes, from the words that runs, reports and `explain` use."""

from __future__ import annotations

from tl_hubspot.reference.tables import markdown
from tl_hubspot.reporting.reasons import ADVICE
from tl_hubspot.reporting.words import MEANING


def page() -> str:
    """The page as Markdown."""
    why = [(f"`{code}`", text) for code, text in sorted(MEANING.items()) if code not in ADVICE]
    wrong = [(f"`{code}`", known.means, known.do) for code, known in sorted(ADVICE.items())]
    return "\n\n".join(
        (
            "# Reason codes",
            "The codes in `sync.outcomes`, `sync.log`, `decisions.*`, reports and e-mails.",
            "## Why a record is what it is",
            "`deal/too_old`: the same code means something else for deals.",
            markdown(("Code", "Means"), why),
            "## Why a record failed or waits",
            markdown(("Code", "Cause", "Remedy"), wrong) + "\n",
        )
    )
