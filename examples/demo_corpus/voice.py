"""Speak one sentence with espeak-ng: a program of its own, run by talking_head.py.

espeak-ng carries a state from one sentence to the next that nothing resets, so only a fresh process
makes each sentence sound the same whatever was said before it. It reads a JSON object (`text`,
`words_a_minute`, `pitch`, `pitch_range`) from standard input and writes mono 16-bit samples at
22,050 Hz to standard output. It imports nothing of this project, to start fast.
"""

import ctypes
import json
import sys

SAMPLE_RATE = 22_050  # Hz, espeak-ng's own
SYNCHRONOUS, UTF8, RATE, PITCH, RANGE = 2, 1, 1, 3, 4  # of espeak-ng's speak_lib.h
CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)


def synthesize(text: str, words_a_minute: int, pitch: int, pitch_range: int) -> bytes:
    """Native 16-bit samples of a sentence. Raises RuntimeError where espeak-ng does not start."""
    import espeakng_loader

    library = ctypes.CDLL(espeakng_loader.get_library_path())
    data = str(espeakng_loader.get_data_path()).encode()
    rate = library.espeak_Initialize(SYNCHRONOUS, 0, data, 0)
    if rate != SAMPLE_RATE or library.espeak_SetVoiceByName(b"en-us") != 0:
        raise RuntimeError(f"espeak-ng did not start with its English voice (it returned {rate})")
    parts: list[bytes] = []

    def keep(samples: "ctypes._Pointer[ctypes.c_short]", count: int, _events: int) -> int:
        if samples and count > 0:
            parts.append(ctypes.string_at(samples, count * 2))
        return 0

    callback = CALLBACK(keep)
    library.espeak_SetSynthCallback(callback)
    for parameter, value in ((RATE, words_a_minute), (PITCH, pitch), (RANGE, pitch_range)):
        library.espeak_SetParameter(parameter, value, 0)
    spoken = text.encode() + b"\0"
    library.espeak_Synth(spoken, ctypes.c_size_t(len(spoken)), 0, 0, 0, UTF8, None, None)
    library.espeak_Synchronize()
    return b"".join(parts)


if __name__ == "__main__":
    sys.stdout.buffer.write(synthesize(**json.load(sys.stdin)))
