"""Evidence about consent: the hash chain of the ledger, and names that tell nobody who is meant.

What is written when stands in `orchestration.consent` and `pushing`; what the rows mean in `warehouse.schema`.
"""
