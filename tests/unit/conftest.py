"""Puts this folder on the import path, so that every room's tests build the same tiny models."""
