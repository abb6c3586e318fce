#!/usr/bin/env python
"""Gatehouse's command line: ``python manage.py help`` lists the commands."""

import os
import sys

if __name__ == "__main__":
    if sys.argv[1:2] == ["generate_master_key"]:  # comes before there are any settings
        os.environ.pop("DJANGO_SETTINGS_MODULE", None)
        from gatewayproject.management.commands.generate_master_key import Command

        Command().run_from_argv(sys.argv)
    else:
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gatewayproject.settings")
        from django.core.management import execute_from_command_line

        execute_from_command_line(sys.argv)
