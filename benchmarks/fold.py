"""How long a record takes to read: the ledger's codec against protobuf's JSON parser, and the whole fold."""

from google.protobuf import json_format

from benchmarks.timing import interleaved, table
from pushline.events.v1 import events_pb2
from pushline.line.codec import decode, encode
from pushline.line.events import Commit, CommitPushed, File, ModelTrained
from pushline.line.ids import partition_of, run_id
from pushline.line.ledger import Ledger
from pushline.line.records import Record

RUNS = 500
PARTITIONS = 4


def records() -> list[Record]:
    made = []
    for generation in range(1, RUNS + 1):
        commit = Commit(
            "https://git.example.com/digits.git", "refs/heads/main", f"{generation:040x}", "", "A Developer", "a change"
        )
        run = run_id("digits", generation, 1, commit.sha)
        pushed = encode(CommitPushed("digits", run, generation, 1, commit, "", generation - 1, "", ""), "bench")
        cause = dict(pushed.headers)["ce_id"].decode()
        files = tuple(File(name, "0" * 64, 1000) for name in ("model.h5", "program.tflite", "answers.npz"))
        trained = encode(
            ModelTrained("digits", run, generation, 1, commit, cause, "succeeded", "", "", "0" * 64, "1" * 64, files, "bubblewrap"),
            "bench",
        )
        made += [
            Record(message.topic, partition_of(message.key, PARTITIONS), generation, message.key, message.value, message.headers, 0)
            for message in (pushed, trained)
        ]
    return made


def main() -> None:
    line = records()
    trained = [record for record in line if record.topic == "trained"]

    def fold() -> None:
        ledger = Ledger(PARTITIONS)
        for record in line:
            ledger.fold(record)

    def ours() -> None:
        for record in trained:
            decode(record)

    def protobuf() -> None:
        for record in trained:
            json_format.Parse(record.value or b"", events_pb2.ModelTrained())

    print(
        table(
            "Reading one `trained` record",
            interleaved([("ledger's codec", ours), ("protobuf's JSON parser", protobuf)], 15),
            per=RUNS,
        )
    )
    print(table("Folding one record (commit and trained in turn)", interleaved([("fold", fold)], 15), per=len(line)))


if __name__ == "__main__":
    main()
