"""What differs between the versions of FastDeploy, apart from their flags."""

from typing import NamedTuple

from ernie_deploy.catalog.flags import described, order


class Era(NamedTuple):
    """`is_assumed` tells that no source describes this very version, and the facts of `version` are used."""

    asked: str
    version: str
    is_assumed: bool

    def since(self, version: str) -> bool:
        return order(self.version) >= order(version)

    @property
    def answers_errors_alike(self) -> bool:
        """One shape `{"error": {…}}` and 500 for nearly everything; before, `{"detail": …}` and a fitting status."""
        return self.since("2.4.0")

    @property
    def asserts_free_queue_ports(self) -> bool:
        """Before, a busy queue port made the start hang."""
        return self.since("2.4.0")

    @property
    def says_capacity(self) -> bool:
        return self.since("2.4.0")

    @property
    def has_new_logs(self) -> bool:
        """fastdeploy.log for the console and paddle/workerlog.0; no source says which release brings it."""
        return self.since("develop")

    @property
    def reads_alive_timeout(self) -> bool:
        """FD_WORKER_ALIVE_TIMEOUT; before, 30 seconds were fixed. Taken to come with 2.5, as the catalog does."""
        return self.since("2.5.0")

    @property
    def stops_with_its_client(self) -> bool:
        """Whether a request ends when its client hangs up; 2.3 did not, the newest does: taken to come with 2.5."""
        return self.since("2.5.0")


def era_of(version: str) -> Era:
    """The era of a version, `2.4.0+simulated` and `develop` among them."""
    bare = version.partition("+")[0]
    known, is_assumed = described("fastdeploy", bare)
    return Era(bare, known, is_assumed)
