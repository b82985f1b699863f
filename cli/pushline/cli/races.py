"""What happened instead of a person's record that did not count: by whom, and why. Pure."""

from pushline.line.events import CommitPushed, ModelDeployed
from pushline.line.ledger import ModelLine


def lost_race(line: ModelLine, mine: ModelDeployed, rule: str) -> str:
    """Say what stands in the log instead of a record that did not count."""
    newest = line.newest_deployed
    if newest is None or newest.event.deploy_seq <= mine.previous:
        return f"The line refused the {mine.kind} of {mine.model} (rule {rule}); nothing changed."
    other = newest.event
    why = f": {other.reason}" if other.actor and other.reason else ""
    return (
        f"Nothing changed by you: {other.actor or 'the deployer'} was faster with a {_what(other)}, deploy_seq {other.deploy_seq}"
        f"{why}. Look at `pushline status`, then decide again."
    )


def lost_rerun(line: ModelLine, mine: CommitPushed, rule: str) -> str:
    """Say what stands in the log instead of a rerun that did not count."""
    other = next((run for run in reversed(line.runs) if (run.generation, run.attempt) == (mine.generation, mine.attempt)), None)
    if other is None:
        return f"The line refused the rerun of {mine.commit.sha[:10]} (rule {rule}); nothing changed."
    asked = other.push.event
    return (
        f"Nothing changed by you: {asked.actor or 'somebody'} was faster with a rerun of the same commit, attempt {asked.attempt} "
        f"({asked.reason}). Follow that one: pushline wait {other.run_id[:8]}"
    )


def _what(other: ModelDeployed) -> str:
    if other.kind in ("hold", "release"):
        return f"{other.kind} of {other.model}"
    return f"{other.kind} to {other.digest[:12]} (commit {other.commit.sha[:10]})"
