"""Launches in compose files and Kubernetes manifests."""

from collections.abc import Iterator, Sequence

from ernie_deploy.lint import scripts
from ernie_deploy.lint.docker import open_port
from ernie_deploy.lint.launches import Versions, launch, start
from ernie_deploy.lint.shell import assignment, commands, script_of
from ernie_deploy.lint.values import EVERY_PORT, LOCAL, Around, Assignment, Launch, Probe, Word
from ernie_deploy.lint.yaml_nodes import Document, Node

PROBES = ("startupProbe", "livenessProbe", "readinessProbe")


def compose(document: Document, versions: Versions, source: str) -> list[Launch]:
    """Every service that runs an engine."""
    services = document.root.get("services")
    found: list[Launch] = []
    for key, service in services.pairs if services else []:
        words = (
            *_compose_words(document, service.get("entrypoint")),
            *_compose_words(document, service.get("command")),
        )
        health = service.get("healthcheck", "test")
        restart = service.get("restart") or service.get("deploy", "restart_policy", "condition")
        ipc = service.get("ipc")
        probes = (Probe("healthcheck", _flat(document, health), follows_http_only=False),) if health else ()
        image = service.get("image")
        around = Around(
            kind="compose",
            name=document.word(key),
            restart=document.word(restart) if restart else None,
            shares_memory=service.get("shm_size") is not None
            or (ipc is not None and ipc.value == "host")
            or _mounts_shm(document, service),
            probes=probes,
            image=document.word(image) if image else None,
            published=tuple(_published(document, service)),
        )
        environment = _variables(document, service.get("environment"))
        is_open = service.get("env_file") is not None
        found += _started(words, versions, source, environment, is_open, around)
    return found


def kubernetes(document: Document, versions: Versions, source: str) -> list[Launch]:
    """Every container that runs an engine, in whatever holds pods; scripts and launch configs in ConfigMaps."""
    found: list[Launch] = []
    for holder, pod in _pods(document.root):
        for kind in ("containers", "initContainers"):
            listed = pod.get(kind)
            for container in listed.elements() if listed else []:
                found += _container(document, holder, pod, container, versions, source)
    return found


def config_texts(document: Document) -> Iterator[tuple[str, Node]]:
    """The files that a ConfigMap or a Secret holds: name and scalar."""
    for holder in _holders(document.root):
        kind = holder.get("kind")
        if kind is None or kind.value not in ("ConfigMap", "Secret"):
            continue
        for field in ("data", "stringData"):
            data = holder.get(field)
            for key, value in data.pairs if data else []:
                if value.text is not None and value.kind == "scalar":
                    yield str(key.value), value


def _container(
    document: Document, holder: Node, pod: Node, container: Node, versions: Versions, source: str
) -> list[Launch]:
    words = [
        document.word(one)
        for field in ("command", "args")
        if (listed := container.get(field)) is not None
        for one in listed.elements()
    ]
    image, name = container.get("image"), container.get("name")
    kind, strategy, restart = holder.get("kind"), holder.get("spec", "strategy", "type"), pod.get("restartPolicy")
    wants_card = container.get("resources", "limits", "nvidia.com/gpu") is not None
    rolls = kind is not None and kind.value == "Deployment" and wants_card
    around = Around(
        kind="kubernetes",
        name=document.word(name) if name else None,
        restart=document.word(restart) if restart else None,
        shares_memory=_has_memory(pod, container),
        probes=tuple(_probes(document, container)),
        image=document.word(image) if image else None,
        published=tuple(_reachable(document, pod, container)),
        strategy=(document.word(strategy) if strategy else document.word(kind)) if rolls and kind else None,
    )
    environment: list[Assignment] = []
    variables = container.get("env")
    for one in variables.elements() if variables else []:
        key, value = one.member("name"), one.member("value")
        if key is None:
            continue
        nothing = Word("", key.end, key.end, is_opaque=True)
        environment.append(Assignment(document.word(key), document.word(value) if value else nothing))
    return _started(words, versions, source, environment, container.get("envFrom") is not None, around)


def _started(
    words: Sequence[Word],
    versions: Versions,
    source: str,
    environment: Sequence[Assignment],
    is_env_open: bool,
    around: Around,
) -> list[Launch]:
    """The launches of one container; its words may be a shell with a script."""
    _, script = script_of(words)
    if script is not None:
        return scripts.launches(
            script, versions, source, environment=environment, is_env_open=is_env_open, around=around
        )
    here = start(words, around.image)
    if here is None:
        return []
    return [launch(here, versions, source, environment=environment, is_env_open=is_env_open, around=around)]


def _compose_words(document: Document, node: Node | None) -> tuple[Word, ...]:
    if node is None:
        return ()
    if node.kind == "list":
        return tuple(document.word(one) for one in node.items)
    if node.text is None or node.value is None:
        return ()
    # One string is split into words as a shell would, but no shell runs it.
    return tuple(word for command in commands(node.text, "words") for word in command.words)


def _variables(document: Document, node: Node | None) -> list[Assignment]:
    if node is None:
        return []
    if node.kind == "mapping":
        return [
            Assignment(document.word(key), document.word(value)._replace(is_opaque=True))
            if value.value is None and value.kind == "scalar"
            else Assignment(document.word(key), document.word(value))
            for key, value in node.pairs
        ]
    made = []
    for one in node.elements():
        word = document.word(one)
        start_at = word.start + (1 if one.style in ("'", '"') else 0)
        end = word.end - (1 if one.style in ("'", '"') else 0)
        found = assignment(word._replace(start=start_at, end=end))
        made += [found] if found else [Assignment(word, Word("", word.end, word.end, is_opaque=True))]
    return made


def _flat(document: Document, node: Node) -> Word:
    """A list of words, or a string, as one word."""
    if node.kind != "list":
        return document.word(node)
    return Word(" ".join(str(one.value) for one in node.items), node.start, node.end)


def _published(document: Document, service: Node) -> Iterator[Word]:
    """The ports of a service that other hosts reach."""
    network = service.get("network_mode")
    if network is not None and network.value == "host":
        yield document.word(network)._replace(text=EVERY_PORT)
    ports = service.get("ports")
    for one in ports.elements() if ports else []:
        host, target = one.get("host_ip"), one.get("target")
        if one.kind == "scalar" and (word := open_port(document.word(one))):
            yield word
        elif target is not None and not (host is not None and str(host.value) in LOCAL):
            yield document.word(target)


def _reachable(document: Document, pod: Node, container: Node) -> Iterator[Word]:
    """The ports of a container that are ports of its node."""
    network = pod.get("hostNetwork")
    if network is not None and network.value is True:
        yield document.word(network)._replace(text=EVERY_PORT)
    ports = container.get("ports")
    for one in ports.elements() if ports else []:
        host, target = one.get("hostIP"), one.get("containerPort")
        if one.get("hostPort") is not None and target is not None and not (host and str(host.value) in LOCAL):
            yield document.word(target)


def _mounts_shm(document: Document, service: Node) -> bool:
    mounts = [service.get("volumes"), service.get("tmpfs")]
    nodes = [item for one in mounts if one for item in (one.elements() or [one])]
    return any("/dev/shm" in str(node.value or (node.get("target") and document.word(node).text)) for node in nodes)


def _pods(root: Node) -> Iterator[tuple[Node, Node]]:
    """Every mapping that has containers, with the object that holds it."""
    for holder in _holders(root):
        stack, seen = [holder], set()
        while stack:
            node = stack.pop()
            if id(node) in seen:
                continue
            seen.add(id(node))
            if node.kind == "mapping" and (node.get("containers") or node.get("initContainers")):
                yield holder, node
                continue
            stack += [value for _, value in node.pairs] + node.items


def _holders(root: Node) -> list[Node]:
    """The objects of a manifest: those of a List are taken out of it."""
    items = root.get("items")
    return items.elements() if items is not None and root.get("containers") is None else [root]


def _has_memory(pod: Node, container: Node) -> bool:
    """Whether /dev/shm is more than the 64 MiB of a container."""
    shared = pod.get("hostIPC")
    if shared is not None and shared.value is True:
        return True
    mounts = container.get("volumeMounts")
    return any(
        (path := one.get("mountPath")) is not None and str(path.value).rstrip("/") == "/dev/shm"
        for one in (mounts.elements() if mounts else [])
    )


def _probes(document: Document, container: Node) -> Iterator[Probe]:
    for role in PROBES:
        probe = container.get(role)
        if probe is None:
            continue
        threshold = probe.get("failureThreshold")
        limit = document.word(threshold) if threshold else None
        path, command = probe.get("httpGet", "path"), probe.get("exec", "command")
        if path is not None:
            yield Probe(role, document.word(path), follows_http_only=True, failure_threshold=limit)
        elif command is not None:
            yield Probe(role, _flat(document, command), follows_http_only=False, failure_threshold=limit)
        else:
            yield Probe(role, Word("", probe.start, probe.end), follows_http_only=False, failure_threshold=limit)
