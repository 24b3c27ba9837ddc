"""What a reasoning model says before its answer, and how it is taken away."""

import re

THOUGHTS = "thoughts without an answer"
THINKING = r"(?:\w+:)?(?:think(?:ing)?|thoughts?|reason(?:ing)?|reflection|analysis|scratchpad)"
OPENS = rf"<{THINKING}>|\[THINK\]|◁think▷|<\|(?:START_THINKING|begin_of_thought)\|>|<\|channel>thought"
CLOSES = rf"</{THINKING}>|\[/THINK\]|◁/think▷|<\|(?:END_THINKING|end_of_thought)\|>|<channel\|>"
OPENING, CLOSING = re.compile(OPENS, re.I), re.compile(CLOSES, re.I)
BLOCK = re.compile(f"(?:{OPENS}).*?(?:{CLOSES})", re.I | re.S)
CHANNEL = re.compile(r"<\|channel\|>\s*(\w+)[^<]*<\|message\|>")
MARKS = re.compile(f"{OPENS}|{CLOSES}|{CHANNEL.pattern}", re.I)
BARE_CHANNELS = re.compile(r"\Aanalysis(?=[A-Z\"'*]).*?(?:assistantfinal|\Z)", re.S)  # marks lost in decoding
AFTER = re.compile(r"<\|[^|>\s]*\|>|</s>|<end_of_turn>|<eos>|\[/?INST\]")  # another turn begins


def without_thoughts(text: str) -> str:
    """Return an answer without what a reasoning model thought before it; empty where it got no further."""
    if channels := list(CHANNEL.finditer(text)):
        last = channels[-1]
        text = AFTER.split(text[last.end() :])[0] if last[1] == "final" else ""
    text = BARE_CHANNELS.sub("", BLOCK.sub("", text))
    *_, text = CLOSING.split(text)  # the opening mark stood in the prompt
    return OPENING.split(text)[0].strip()
