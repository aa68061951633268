"""How to bring a well-known data set into the form of a manifest and a taxonomy."""
