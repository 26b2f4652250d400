"""`drt` as installed, with its HubSpot destination sent to another address: it has no setting for one.

Runs in the rivals' environment; arguments are those of `drt`. Nothing else of it is changed.
"""

from __future__ import annotations

import os

from drt.cli.main import app
from drt.destinations import hubspot

hubspot._HUBSPOT_API = f"{os.environ['HUBSPOT_API_URL']}/crm/v3/objects"
hubspot._HUBSPOT_PROPERTIES_API = f"{os.environ['HUBSPOT_API_URL']}/crm/v3/properties"

if __name__ == "__main__":
    app()
