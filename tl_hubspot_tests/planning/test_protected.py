"""Protected properties (behaviour §7): wildcards, names, labels."""

import pytest

from tl_hubspot.planning.protected import is_protected


@pytest.mark.parametrize(
    "name",
    [
        "hs_analytics_source",
        "hs_analytics_source_data_1",
        "HS_Analytics_Source_Data_2",
        "hs_latest_source",
        "hs_latest_source_timestamp",
        "hs_analytics_latest_source",
        "hs_analytics_latest_source_data_1_contact",
        "hs_object_source",
        "hs_object_source_id",
        "eerste_bron",
        "laatste_bron",
        "original_traffic_source",
    ],
)
def test_protected_names(name: str) -> None:
    assert is_protected(name)


@pytest.mark.parametrize(
    "label", ["Eerste bron", " eerste  BRON ", "Laatste bron", "Original Source", "LATEST TRAFFIC SOURCE"]
)
def test_protected_labels(label: str) -> None:
    assert is_protected("anything", label)


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("firstname", "First name"),
        ("hs_analytics_first_url", "First page seen"),
        ("teamleader_source", "Teamleader source"),
        ("bron", "Bron"),
        ("my_hs_analytics_source", None),
        ("x", ""),
    ],
)
def test_others_are_free(name: str, label: str | None) -> None:
    assert not is_protected(name, label)


def test_configured_names_replace_the_default_ones_but_never_the_patterns() -> None:
    assert is_protected("segment", "Klantsegment", ["Klantsegment"])
    assert is_protected("klantsegment", None, ["KLANTSEGMENT"])
    assert not is_protected("eerste_bron", "Eerste bron", ["Klantsegment"])
    assert is_protected("hs_object_source", None, [])
    assert not is_protected("x", None, ["", " "])
