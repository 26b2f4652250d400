"""Tests of what all clients share."""
