"""Who can reach the service, and what stands between it and itself?"""

from ipaddress import ip_address

from ernie_deploy.checks.base import Result, Subject


def judge_exposure(subject: Subject) -> Result:
    plan = subject.plan
    open_ports = [port for port in subject.launch.ports if not is_loopback(port.host)]
    service = [port for port in open_ports if port.number == plan.port.value]
    others = ", ".join(f"{port.number} ({port.role})" for port in open_ports if port not in service)
    beside = f"; the engine also opens {others} to everybody, which asks for no key" if others else ""
    if service and plan.api_key_file.value is None:
        message = (
            f"everybody who reaches {service[0].host} port {plan.port.value} may use the service: it asks for no key"
        )
        return Result("exposure", "warn", message + beside, "set api_key_file, or bind --host 127.0.0.1")
    if service and plan.engine.value == "fastdeploy":
        message = f"port {plan.port.value} is open to others, and FastDeploy shows its key to whoever asks /config-info"
        hint = "bind --host 127.0.0.1 and put a proxy before it that lets only /v1 and /health through"
        return Result("exposure", "warn", message + beside, hint)
    if service:
        return Result("exposure", "pass", f"port {plan.port.value} is open to others and asks for an API key{beside}")
    return Result("exposure", "pass", f"port {plan.port.value} answers on the loopback only{beside}")


def is_loopback(host: str) -> bool:
    """A name other than localhost may be any address, so it counts as open."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def judge_proxy(subject: Subject) -> Result:
    """Our own questions never go through a proxy; the engine inherits the variables, for its downloads."""
    proxies = subject.facts.host.proxies
    if not proxies:
        return Result("proxy", "pass", "no proxy is set")
    downloads = subject.plan.model_path.value is None
    use = "the engine downloads the model through it" if downloads else "nothing of this deployment uses it"
    return Result("proxy", "pass", f"{', '.join(proxies)} set: {use}; questions to the service never do")
