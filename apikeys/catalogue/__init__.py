"""What is known about providers: the data file, and the rules that its fields name.

Nothing here knows the database.
"""
