"""The record, the taxonomy, the pixels, and batches made from them."""
