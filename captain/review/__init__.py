"""Review: who looks at a proposal, what they find, and when the loop ends."""

from captain.review.convergence import Round, best, to_mend, verdict
from captain.review.loop import Author, LoopResult, Reviewer, ReviewLoop, failures
from captain.review.reviewer import ModelReviewer

__all__ = [
    "Author",
    "LoopResult",
    "ModelReviewer",
    "ReviewLoop",
    "Reviewer",
    "Round",
    "best",
    "failures",
    "to_mend",
    "verdict",
]
