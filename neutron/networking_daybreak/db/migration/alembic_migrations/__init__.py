"""Alembic's environment. Changes only add (branch expand), so that servers can be upgraded one after another."""
