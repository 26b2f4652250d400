"""The two-way flow HubSpot ↔ Crmoffice as pure functions on frames: merge, plan, bookkeeping, recovery."""
