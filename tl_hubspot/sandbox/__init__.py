"""Local Teamleader, HubSpot and Crmoffice servers for tests and the demo, each a sub-package; they share `control`.

No product code may depend on anything here except `cli` (commands `sandbox` and `demo`); sample data lives in `world`.
"""
