"""Where a model that was downloaded earlier lies on this host."""

from pathlib import Path


def snapshot_of(model: str) -> Path | None:
    """The newest local snapshot of a hub's model, found without any network; None when there is none."""
    from huggingface_hub import constants

    repository = Path(constants.HF_HUB_CACHE) / f"models--{model.replace('/', '--')}"
    snapshots = sorted(repository.glob("snapshots/*"), key=lambda path: path.stat().st_mtime)
    return snapshots[-1] if snapshots else None
