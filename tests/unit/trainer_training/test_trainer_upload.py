from pathlib import Path

from pushline.objects.memory_store import MemoryStore
from pushline.trainer.upload import store_again_what_is_gone


def test_a_file_that_was_removed_before_the_manifest_was_written_is_stored_once_more(tmp_path: Path) -> None:
    store, puts = MemoryStore(), [(name, tmp_path / name) for name in ("model.h5", "program.tflite")]
    for key, path in puts:
        path.write_bytes(key.encode())
        store.put_file(key, path)
    store.delete("model.h5")

    store_again_what_is_gone(store, puts)

    assert store.read_bytes("model.h5") == b"model.h5"
    assert store.read_bytes("program.tflite") == b"program.tflite"
