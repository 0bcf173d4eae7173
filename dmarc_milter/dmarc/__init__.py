"""DMARC, RFC 9989: `record` reads a policy record, `tree_walk` finds it, `evaluation` judges."""
