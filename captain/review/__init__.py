"""Review: who looks at a change, what they find, what is mended, and when the loop ends."""

from captain.review.asking import Judge, Question, Reproducer, Reviewer, Verifier
from captain.review.converging import ReviewLoop
from captain.review.fixing import BuildFixer, CommandFixer, FailedTry, Fixer, FixJob
from captain.review.policy import BALANCED, ECONOMY, POLICIES, THOROUGH, ReviewPolicy, policy_named
from captain.review.report import LoopReport, report_from, summary
from captain.review.reviewer import ModelReviewer
from captain.review.verifiers import ModelJudge, ModelReproducer, ModelVerifier

__all__ = [
    "BALANCED",
    "ECONOMY",
    "POLICIES",
    "THOROUGH",
    "BuildFixer",
    "CommandFixer",
    "FailedTry",
    "FixJob",
    "Fixer",
    "Judge",
    "LoopReport",
    "ModelJudge",
    "ModelReproducer",
    "ModelReviewer",
    "ModelVerifier",
    "Question",
    "Reproducer",
    "ReviewLoop",
    "ReviewPolicy",
    "Reviewer",
    "Verifier",
    "policy_named",
    "report_from",
    "summary",
]
