"""A local HubSpot portal over HTTP: `HubSpotSandbox` with its `Profile` (what portal) and `Switches` (how it behaves).

One module per concern; `http` dispatches to the routes they register, `portal` wires them, `store` keeps the state.
"""

from tl_hubspot.sandbox.hubspot.errors import ApiError
from tl_hubspot.sandbox.hubspot.profile import MarketingTier, Profile, Switches
from tl_hubspot.sandbox.hubspot.sandbox import HubSpotSandbox

__all__ = ["ApiError", "HubSpotSandbox", "MarketingTier", "Profile", "Switches"]
