"""Local Teamleader Focus: API, sign-in and webhooks over HTTP, with the records in SQLite.

What answers what is in the modules below; sample data lives in `sandbox.world`, clock and faults in `sandbox.control`.
"""

from tl_hubspot.sandbox.teamleader.sandbox import TeamleaderSandbox
from tl_hubspot.sandbox.teamleader.switches import Switches

__all__ = ["Switches", "TeamleaderSandbox"]
