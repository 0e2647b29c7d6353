"""Where a model that was downloaded earlier lies on this host."""

from pathlib import Path


def snapshot_of(model: str, revision: str | None = None) -> Path | None:
    """The local snapshot of a hub's model, found without any network; None when there is none.

    `revision` is a branch, a tag or a commit; without one it is the main branch as it was last downloaded.
    """
    from huggingface_hub import constants

    repository = Path(constants.HF_HUB_CACHE) / f"models--{model.replace('/', '--')}"
    reference = repository / "refs" / (revision or "main")
    commit = reference.read_text(encoding="utf-8").strip() if reference.is_file() else revision
    snapshot = repository / "snapshots" / commit if commit else None
    return snapshot if snapshot and snapshot.is_dir() else None
