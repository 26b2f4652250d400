"""Local Crmoffice: its API and sign-in over HTTP as the assumed contract has them, with the records in SQLite.

What answers what is in the modules below; sample data lives in `sandbox.worlds`, clock and faults in `sandbox.control`.
"""

from tl_hubspot.sandbox.crmoffice.sandbox import CrmofficeSandbox
from tl_hubspot.sandbox.crmoffice.switches import Switches

__all__ = ["CrmofficeSandbox", "Switches"]
