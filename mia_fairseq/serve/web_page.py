"""The page itself, of Gradio's parts; it loads nothing from elsewhere."""

import os
from typing import Any

from mia_fairseq.errors import InputError
from mia_fairseq.pretrained.libraries import require
from mia_fairseq.serve.answer_html import CSS, html_of_answer, html_of_error
from mia_fairseq.serve.clip_visits import ClipVisits

TITLE = "What does this clip say?"
HINT = "The clip stays on this machine, and is removed when the page is closed."


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

    # Gradio passes a Request by its annotation, which mypy cannot see.
    def tell(request: Any, clip: str | None, words: str | None) -> tuple[str, str]:
        try:
            answer = visits.answer(str(request.session_hash), clip, words)
        except InputError as error:
            return words or "", html_of_error(str(error))
        return answer.text or "", html_of_answer(answer)

    def as_heard(
        video: str | None,
        sound: str | None,
        request: gr.Request,  # type: ignore[name-defined]
    ) -> tuple[str, str]:
        return tell(request, video or sound, None)

    def as_written(
        video: str | None,
        sound: str | None,
        words: str,
        request: gr.Request,  # type: ignore[name-defined]
    ) -> tuple[str, str]:
        return tell(request, video or sound, words)

    def leave(request: gr.Request) -> None:  # type: ignore[name-defined]
        visits.leave(str(request.session_hash))

    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(600, 3600)) as page:
        gr.Markdown(f"# {TITLE}\n{HINT}")
        with gr.Row():
            with gr.Column(min_width=300):
                with gr.Tab("Video"):
                    video = gr.Video(label="Drop a video, or record one")
                with gr.Tab("Sound"):
                    sound = gr.Audio(label="Drop a sound file, or record one", type="filepath")
                ask = gr.Button("Answer", variant="primary")
            with gr.Column(min_width=300):
                told = gr.HTML(elem_id="answer")
                words = gr.Textbox(label="Words, as heard; change them and ask again", lines=3)
                again = gr.Button("Answer with these words")
        ask.click(as_heard, [video, sound], [words, told], api_name="answer")
        again.click(as_written, [video, sound, words], [words, told], api_name="answer_with_words")
        page.unload(leave)
    return page


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
        page.queue(max_size=16, default_concurrency_limit=1).launch(
            server_name=host,
            server_port=port,
            share=False,
            quiet=True,
            prevent_thread_lock=not wait,
            max_file_size=int(visits.most_megabytes * (1 << 20)),
            theme=gr.themes.Base(font=plain, font_mono=["monospace"]),
            css=CSS,
            footer_links=["api"],
            ssr_mode=False,
        )
    except OSError as error:
        raise InputError(f"--port {port}: cannot be had ({error}); name another one") from error
    return page
