"""The flow as a table: which event stands on which topic, who writes it, who answers it on which topic."""

from dataclasses import dataclass

from pushline.line.events import CommitPushed, Event, ModelDeployed, ModelEvaluated, ModelServed, ModelTrained


@dataclass(frozen=True, slots=True)
class Topic:
    name: str
    event: type[Event]
    written_by: tuple[str, ...]
    read_by: tuple[str, ...]
    answered_on: str | None
    input_of: str  # the stage that puts undecodable records of this topic on its dead-letter topic

    @property
    def ce_type(self) -> str:
        return f"dev.pushline.{self.name}.v{MAJOR_VERSION}"

    @property
    def dead_letters(self) -> str:
        return f"dlq.{self.name}"


MAJOR_VERSION = 1
EVERY_STAGE = ("trainer", "evaluator", "deployer", "auditor")

COMMIT = Topic("commit", CommitPushed, ("trainer", "cli"), EVERY_STAGE, "trained", "trainer")
TRAINED = Topic("trained", ModelTrained, ("trainer",), EVERY_STAGE, "evaluated", "evaluator")
EVALUATED = Topic("evaluated", ModelEvaluated, ("evaluator",), EVERY_STAGE, "deployed", "deployer")
DEPLOYED = Topic("deployed", ModelDeployed, ("deployer", "cli"), (*EVERY_STAGE, "predictor"), "served", "deployer")
SERVED = Topic("served", ModelServed, ("predictor",), EVERY_STAGE, None, "deployer")

TOPICS = (COMMIT, TRAINED, EVALUATED, DEPLOYED, SERVED)
TOPIC_NAMES = tuple(topic.name for topic in TOPICS)
BY_NAME = {topic.name: topic for topic in TOPICS}
BY_EVENT: dict[type[Event], Topic] = {topic.event: topic for topic in TOPICS}


DEAD_LETTER_TOPICS = {topic.dead_letters: topic.name for topic in TOPICS}  # to the topic whose records they are


def read_by(stage: str) -> tuple[str, ...]:
    """Give the topics that a stage folds: all five, and the dead letters that it writes, on which a person lets it go on."""
    return (*TOPIC_NAMES, *(topic.dead_letters for topic in inputs_of(stage)))


def inputs_of(stage: str) -> tuple[Topic, ...]:
    """Give the topics whose undecodable records this stage puts on their dead-letter topics."""
    return tuple(topic for topic in TOPICS if topic.input_of == stage)
