"""Programs that do the same work in the ways it is usually done."""
