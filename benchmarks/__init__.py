"""What `make bench` runs: one question a module, answered by a table of ratios."""

import revisit as revisit  # its settings must be made before TensorFlow is imported
from revisit.allocator import keep_freed_memory

keep_freed_memory()  # as every command does
