"""Tests of the Teamleader room, over real HTTP against the local Teamleader."""
