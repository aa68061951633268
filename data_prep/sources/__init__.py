"""One module a source format; SOURCES names them."""
