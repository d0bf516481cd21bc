"""Review: who looks at a change, what they find, what is mended, and when the loop ends.

`ConvergingLoop` is the loop with a ledger, a fix gate and verdicts. `ReviewLoop` is the simpler one it is to replace.
"""

from captain.review.asking import Judge, Question, Reproducer, Verifier
from captain.review.convergence import Round, best, to_mend, verdict
from captain.review.converging import ReviewLoop as ConvergingLoop
from captain.review.fixing import BuildFixer, CommandFixer, FailedTry, Fixer, FixJob
from captain.review.loop import Author, LoopResult, Reviewer, ReviewLoop, failures
from captain.review.policy import BALANCED, ECONOMY, POLICIES, THOROUGH, ReviewPolicy, policy_named
from captain.review.report import LoopReport, summary
from captain.review.reviewer import ModelReviewer
from captain.review.verifiers import ModelJudge, ModelReproducer, ModelVerifier

__all__ = [
    "BALANCED",
    "ECONOMY",
    "POLICIES",
    "THOROUGH",
    "Author",
    "BuildFixer",
    "CommandFixer",
    "ConvergingLoop",
    "FailedTry",
    "FixJob",
    "Fixer",
    "Judge",
    "LoopReport",
    "LoopResult",
    "ModelJudge",
    "ModelReproducer",
    "ModelReviewer",
    "ModelVerifier",
    "Question",
    "Reproducer",
    "ReviewLoop",
    "ReviewPolicy",
    "Reviewer",
    "Round",
    "Verifier",
    "best",
    "failures",
    "policy_named",
    "summary",
    "to_mend",
    "verdict",
]
