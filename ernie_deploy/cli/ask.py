"""`ernie-deploy ask`"""

from pathlib import Path
from typing import Annotated

import typer

from ernie_deploy.cli import ui
from ernie_deploy.cli.options import Json, Name


def ask(
    question: Annotated[str, typer.Argument(help="What to ask.")],
    image: Annotated[list[Path] | None, typer.Option("--image", help="A picture; repeat for several.")] = None,
    video: Annotated[Path | None, typer.Option("--video", help="A video.")] = None,
    url: Annotated[str | None, typer.Option("--url", help="Another service than the deployed one.")] = None,
    model: Annotated[str | None, typer.Option("--model", help="The name the service is asked for.")] = None,
    max_tokens: Annotated[int, typer.Option("--max-tokens", min=1, help="Thinking and answer together.")] = 2048,
    temperature: Annotated[
        float | None, typer.Option("--temperature", min=0, help="The service's own otherwise.")
    ] = None,
    name: Name = None,
    as_json: Json = False,
) -> None:
    """Ask the service something, with pictures or a video.

    Its reasoning and its answer are printed apart, as they come.
    """
    import msgspec

    from ernie_deploy.cli.asking import address, print_streamed, request, require_answer
    from ernie_deploy.client import Client, collect

    asked = request(question, image or [], video, max_tokens, temperature)
    with Client(address(name, url, model)) as client:
        if as_json:
            answer = collect(client.stream(asked))
            ui.json({key: value for key, value in msgspec.to_builtins(answer).items() if key != "raw"})
            require_answer(answer.content + "".join(call.name for call in answer.tool_calls), answer.finish_reason)
        else:
            print_streamed(client.stream(asked))
