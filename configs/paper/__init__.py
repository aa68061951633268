"""The recipes of Sun et al., ICCV 2017."""
