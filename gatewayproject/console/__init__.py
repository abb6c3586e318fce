"""Shared by all pages, forms, admins and commands: names, lists, widgets, output."""
