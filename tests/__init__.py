"""Tests: unit (functions called), integration (real processes), golden (whole files)."""
