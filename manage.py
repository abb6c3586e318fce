#!/usr/bin/env python
"""Gatehouse's command line: ``python manage.py help`` lists the commands."""

import sys

if __name__ == "__main__":
    from gatewayproject.command_line import main

    main(sys.argv)
