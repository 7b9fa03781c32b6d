"""The page itself, of Gradio's parts; it loads nothing from elsewhere."""

import os
from pathlib import Path
from typing import Any

from mia_fairseq.errors import InputError
from mia_fairseq.pretrained.libraries import require
from mia_fairseq.serve.clip_visits import ClipVisits
from mia_fairseq.serve.limits import MEGABYTE
from mia_fairseq.serve.models_in_words import models_in_words
from mia_fairseq.serve.page_handlers import PageAnswer, PageHandlers

TITLE = "What does this clip say?"
HINT = "Clips stay on the machine that serves this page, and are removed when the page is closed."
WAITS = '<p class="mia-note">Drop a clip or record one, then press Answer: it is told here.</p>'
STYLE, SCRIPT = (Path(__file__).with_name(f"page.{kind}") for kind in ("css", "js"))
WAITING = 16  # visitors in the queue
OFTEN, OLD = 600, 3600  # seconds: how often, and from what age, what nobody holds is removed


def gradio() -> Any:
    """Gradio, which then sends nothing about its use.

    Raises:
        InputError: it is not installed.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_OFFLINE"] = "1"
    return require("gradio", "'mia_fairseq[page]'", "mia_fairseq.serve")


def build_page(visits: ClipVisits) -> Any:
    """The page, as Gradio's Blocks.

    Args:
        visits: which answers.
    """
    gr = gradio()

    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(OFTEN, OLD)) as page:
        gr.Markdown(f"# {TITLE}\n{models_in_words(visits.models)}<br>{HINT}")
        with gr.Row():
            with gr.Column(min_width=300):
                with gr.Tab("Video"):
                    video = gr.Video(
                        label="Drop a video, or record one",
                        elem_id="video",
                        sources=["upload", "webcam"],
                        buttons=[],  # none that shares
                    )
                with gr.Tab("Sound"):
                    sound = gr.Audio(
                        label="Drop a sound file, or record one",
                        elem_id="sound",
                        type="filepath",
                        sources=["upload", "microphone"],
                        buttons=[],
                    )
                with gr.Tab("Dialogue"):
                    several = gr.File(
                        label="Drop several clips, in their order",
                        elem_id="dialogue",
                        file_count="multiple",
                    )
                ask = gr.Button("Answer", variant="primary")
                look = gr.Button("Show the face")
            with gr.Column(min_width=300):
                told = gr.HTML(WAITS, elem_id="answer")
                words = gr.Textbox(
                    label="The words, as heard; change them and ask again",
                    info="of a dialogue, a line a clip",
                    lines=3,
                )
                again = gr.Button("Answer with these words")
                faces = gr.HTML(elem_id="faces")
        data = gr.JSON(visible=False)
        _bind(page, visits, [video, sound, several], words, [told, data, faces], [ask, again, look])
    return page


def _bind(
    page: Any,
    visits: ClipVisits,
    clips: list[Any],
    words: Any,
    shown: list[Any],
    buttons: list[Any],
) -> None:
    """What happens when a button is pressed, a clip is given, and the page is closed."""
    gr, handlers = gradio(), PageHandlers(visits)
    told, data, faces = shown
    ask, again, look = buttons

    # Gradio passes a Request by its annotation, which mypy cannot see.
    def as_heard(
        video: str | None,
        sound: str | None,
        several: list[str] | None,
        request: gr.Request,  # type: ignore[name-defined]
    ) -> PageAnswer:
        return handlers.answer(str(request.session_hash), [video, sound, several], None)

    def as_written(
        video: str | None,
        sound: str | None,
        several: list[str] | None,
        words: str | None,
        request: gr.Request,  # type: ignore[name-defined]
    ) -> PageAnswer:
        return handlers.answer(str(request.session_hash), [video, sound, several], words)

    def look_at(
        video: str | None,
        sound: str | None,
        several: list[str] | None,
        request: gr.Request,  # type: ignore[name-defined]
    ) -> str:
        return handlers.faces(str(request.session_hash), [video, sound, several])

    def given(clip: Any, request: gr.Request) -> Any:  # type: ignore[name-defined]
        if not clip:
            return [gr.skip()] * (len(clips) + 1)
        handlers.hold(str(request.session_hash), clip)
        return [None] * (len(clips) - 1) + [WAITS, ""]  # other places, and former answers

    def leave(request: gr.Request) -> None:  # type: ignore[name-defined]
        handlers.leave(str(request.session_hash))

    ask.click(as_heard, clips, [words, told, data], api_name="answer")
    again.click(as_written, [*clips, words], [words, told, data], api_name="answer_with_words")
    look.click(look_at, clips, faces, api_name="faces")
    for place in clips:
        others = [other for other in clips if other is not place]
        place.change(given, place, [*others, told, faces], api_visibility="private", queue=False)
    page.unload(leave)


def open_page(visits: ClipVisits, host: str, port: int, *, wait: bool = True) -> Any:
    """Starts the page's server.

    Args:
        visits: which answers.
        host: its address; 127.0.0.1 is this machine alone.
        port: its port.
        wait: until it is ended.

    Raises:
        InputError: the port is taken.
    """
    gr = gradio()
    page = build_page(visits)
    plain = ["system-ui", "sans-serif"]
    try:
        page.queue(max_size=WAITING, default_concurrency_limit=1).launch(
            server_name=host,
            server_port=port,
            share=False,
            quiet=True,
            prevent_thread_lock=not wait,
            max_file_size=int(visits.limits.megabytes * MEGABYTE),
            theme=gr.themes.Base(font=plain, font_mono=["monospace"]),
            css=STYLE.read_text(),
            head=f"<script>{SCRIPT.read_text()}</script>",
            footer_links=["api"],
            ssr_mode=False,
        )
    except OSError as error:
        raise InputError(f"--port {port}: cannot be had ({error}); name another one") from error
    return page
