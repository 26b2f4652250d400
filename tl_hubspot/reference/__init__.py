"""Pages that are made from code, so that they cannot say anything else: tables, commands, settings.

`python -m tl_hubspot.reference` writes them; pages that a person writes lie beside them in `docs/`.
"""
