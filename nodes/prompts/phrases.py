"""Sentences from fields. A fragment begins in lower case and is joined; everything else stays a sentence."""

from __future__ import annotations

from collections.abc import Iterable

from .values import Camera, Lighting, Motion, Shot, Sound, StructuredPrompt, Subject
from .words import (
    ANGLE_WORDS,
    CAMERA_WORDS,
    COMPOSITION_WORDS,
    DIRECTION_WORDS,
    INTENSITY_WORDS,
    SIZE_WORDS,
    SOURCE_WORDS,
    SPEED_WORDS,
    TIME_WORDS,
    VIEW_WORDS,
)

_ENDS = (".", "!", "?", "\u3002", "\uff01", "\uff1f", "\u2026")
"""What ends a sentence, in East Asian scripts too."""
_CLOSERS = "\"')\u201d\u2019\u00bb"


def sentence(text: str) -> str:
    """A text as a sentence: a capital first, a full stop last; nothing from nothing.

    >>> sentence("a ball rolls"), sentence("It stops!"), sentence(" ")
    ('A ball rolls.', 'It stops!', '')
    """
    text = " ".join(text.split())
    if not text:
        return ""
    text = text[:1].upper() + text[1:]
    return text if text.rstrip(_CLOSERS).endswith(_ENDS) else f"{text}."


def paragraph(*parts: str) -> str:
    """Sentences one after the other; empty ones are left out."""
    return " ".join(part for part in parts if part)


def listed(*parts: str) -> str:
    """What is not empty, with commas between."""
    return ", ".join(part for part in parts if part)


def is_fragment(text: str) -> bool:
    """Whether a field's text is to be joined to others: it begins with a small letter."""
    return text.lstrip()[:1].islower()


def about(subject: Subject, *, looks: bool = True, relative: bool = False) -> str:
    """A subject in one sentence of its fragments, then its fields that are sentences already.

    looks: with appearance and position. relative: what it does as a relative clause.

    >>> about(Subject(name="a woman", appearance="in a red coat", action="walks", expression="smiling"))
    'A woman, in a red coat, walks, smiling.'
    """
    appearance, position = (subject.appearance, subject.position) if looks else ("", "")
    fields = [appearance, position, subject.action, subject.expression]
    joined = [text.strip().rstrip(".") if is_fragment(text) else "" for text in fields]
    whole = [sentence(text) for text in fields if not is_fragment(text)]
    if not subject.name and not any(joined) and any(whole):
        return paragraph(*whole)
    aside, action = listed(*joined[:2]), joined[2]
    head = subject.called + (f", {aside}," if aside and action else f", {aside}" if aside else "")
    verb = f"{head}{' who' if relative and not aside else ''} {action}" if action else head
    return paragraph(sentence(listed(verb, joined[3])), *whole)


def everybody(subjects: Iterable[Subject], *, looks: bool = True) -> str:
    """All subjects, main ones first."""
    return paragraph(*(about(subject, looks=looks) for subject in ordered(subjects)))


def ordered(subjects: Iterable[Subject]) -> list[Subject]:
    """Main subjects first, otherwise as they are."""
    return sorted(subjects, key=lambda subject: not subject.main)


def events(prompt: StructuredPrompt) -> str:
    """What happens, in time: first, then, finally."""
    names = {subject.id: subject.called for subject in prompt.subjects if subject.id}
    found = [
        f"{names[event.subject]} {event.text}" if event.subject and is_fragment(event.text) else event.text
        for event in prompt.motion.events
        if event.text.strip()
    ]
    if len(found) < 2:
        return paragraph(*map(sentence, found))
    words = ["First", *["Then"] * (len(found) - 2), "Finally"]
    return paragraph(*(sentence(f"{w}, {_lower(text)}") for w, text in zip(words, found, strict=True)))


def movement(motion: Motion) -> str:
    """How subjects and scene move, and how fast."""
    return paragraph(sentence(motion.subjects), sentence(motion.scene), SPEED_WORDS.get(motion.speed, ""))


def camera_sentence(camera: Camera) -> str:
    """How the camera moves; its own words if there are some."""
    if camera.text:
        return sentence(camera.text)
    if not camera.move:
        return ""
    return sentence(f"The camera {CAMERA_WORDS[camera.move]} {INTENSITY_WORDS.get(camera.intensity, '')}")


def shot_words(shot: Shot) -> str:
    """Size, angle, view, composition and lens as one phrase, such as `medium shot from a low angle`."""
    place = " ".join(
        word
        for word in (
            SIZE_WORDS.get(shot.size, ""),
            ANGLE_WORDS.get(shot.angle, ""),
            VIEW_WORDS.get(shot.view, ""),
        )
        if word
    )
    return listed(place, COMPOSITION_WORDS.get(shot.composition, ""), shot.lens)


def light_words(light: Lighting) -> str:
    """The light's fields as one phrase, such as `soft warm daylight from the side at dawn`."""
    tone = "mixed warm and cool" if light.tone == "mixed" else light.tone
    source = SOURCE_WORDS.get(light.source, "light" if light.quality or tone or light.direction else "")
    words = (light.quality, tone, source, DIRECTION_WORDS.get(light.direction, ""))
    return " ".join(word for word in (*words, TIME_WORDS.get(light.time, "")) if word)


def light_sentences(light: Lighting) -> str:
    """The light's fields, then its own words."""
    words = light_words(light)
    return paragraph(sentence(f"The scene is lit {_in(words)}") if words else "", sentence(light.text))


def lettering(texts: Iterable[str]) -> str:
    """Text to be seen in the frame, in quotes, so that models which draw letters find it."""
    return paragraph(*(sentence(f'The text "{text}" can be read in the frame') for text in texts if text))


def heard(sound: Sound) -> str:
    """Speech, music and ambience."""
    lines = [f'A voice says: "{line}"' for line in sound.dialogue if line]
    music = f"The music is {_lower(sound.music)}" if is_fragment(sound.music) else sound.music
    ambience = f"There is the sound of {sound.ambience}" if is_fragment(sound.ambience) else sound.ambience
    return paragraph(*map(sentence, lines), sentence(music), sentence(ambience))


def _in(words: str) -> str:
    """`by soft daylight at dawn`, but `at dawn` where only the time is known."""
    return words if words.startswith(("at ", "in ")) else f"by {words}"


def _lower(text: str) -> str:
    """A sentence as the rest of another: a first word with one capital letter loses it, except "I"."""
    first = text.split(" ", 1)[0]
    plain = first == "A" or (first.isalpha() and first[1:].islower())
    return text[:1].lower() + text[1:] if plain else text
