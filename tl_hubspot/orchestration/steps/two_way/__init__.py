"""The engine of the two-way flow: what joins the pure planner (`tl_hubspot.two_way`) to HubSpot, Crmoffice and DuckDB.

`cycle` is one run of all flows; `reading` fills the mirrors, `planning` makes the plan, `recovering` settles what an
earlier cycle left open, `creating` and `writing` carry the plan out through `sides`, `memory` stores what is known.
"""
