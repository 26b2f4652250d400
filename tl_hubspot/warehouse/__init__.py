"""The working database; see `store`."""

import sys
from importlib.util import find_spec

# DuckDB looks for pandas anew with each parameter of a query: where there is none, that was a twentieth of a small run
if find_spec("pandas") is None:
    sys.modules["pandas"] = None  # type: ignore[assignment]
