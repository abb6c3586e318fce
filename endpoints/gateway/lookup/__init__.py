"""What the database knows of a request: token, endpoint, routes and keys."""
