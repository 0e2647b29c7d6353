"""FastDeploy's objects in shared memory: files under /dev/shm, named after the engine's queue port."""

import contextlib
import struct
from pathlib import Path

SIGNALS = (
    "worker_ready_signal",
    "worker_healthy_live_signal",
    "loaded_model_signal",
    "get_profile_block_num",
    "launched_cache_manager_signal",
    "launched_expert_service_signal",
    "model_weights_status",
    "prefix_tree_status",
    "kv_cache_status",
    "exist_task_signal",
    "exist_swapped_task_signal",
    "exist_prefill_task_signal",
    "cache_ready_signal",
)


class SharedMemory:
    """They are removed at an orderly end and stay after SIGKILL; what an earlier run has left is replaced."""

    def __init__(self, directory: Path, queue_port: int, http_port: int) -> None:
        self.directory = directory
        self.suffix = str(queue_port)
        self._socket = directory / f"router_{http_port}.ipc"
        self.replaced: tuple[str, ...] = ()

    def create(self) -> None:
        paths = [self._path(name) for name in SIGNALS]
        self.replaced = tuple(path.name for path in paths if path.exists())
        for path in paths:
            path.write_bytes(struct.pack("<i", 0))
        self._socket.touch()

    def read(self, name: str) -> int:
        """What a signal says; 0 when it is gone."""
        try:
            data = self._path(name).read_bytes()
        except OSError:
            return 0
        return int(struct.unpack("<i", data[:4])[0]) if len(data) >= 4 else 0

    def remove(self) -> None:
        for path in (*(self._path(name) for name in SIGNALS), self._socket):
            with contextlib.suppress(OSError):
                path.unlink()

    def _path(self, name: str) -> Path:
        return self.directory / f"{name}.{self.suffix}"
