"""What a reasoning model says before its answer, and how it is taken away."""

import re
from html import unescape

THOUGHTS = "thoughts without an answer"
THINKING = r"[\w:-]*(?:think|thought|reason|reflect|analysis|scratchpad|monologue|\b(?:cot|details)\b)[\w:-]*"
IN_BRACKETS = r"(?:THINK(?:ING)?|REASONING|THOUGHTS?)"
OPENS = (
    rf"<{THINKING}(?:\s[^<>]*)?>|\[{IN_BRACKETS}\]|◁think▷|<\|(?:think(?:ing)?|START_THINKING|begin_of_thought)\|>"
    r"|<\|inner_prefix\|>|<\|channel>thought|<unused94>(?:thought)?"
)
# an answer may be cut within the mark
CLOSES = (
    rf"</{THINKING}\s*(?:>|\Z)|\[/{IN_BRACKETS}\]|◁/think▷|<\|(?:/think(?:ing)?|END_THINKING|end_of_thought)\|>"
    r"|<\|inner_suffix\|>|<channel\|>|<unused95>"
)
CLOSED_BY = {  # what ends the thoughts that a mark without a slash begins
    "<|think|>": "<|/think|>",
    "<|thinking|>": "<|/thinking|>",
    "<|start_thinking|>": "<|END_THINKING|>",
    "<|begin_of_thought|>": "<|end_of_thought|>",
    "<|inner_prefix|>": "<|inner_suffix|>",
    "<|channel>thought": "<channel|>",
    "<unused94>thought": "<unused95>",
}
OPENING, CLOSING = re.compile(OPENS, re.I), re.compile(CLOSES, re.I)
BLOCK = re.compile(f"(?:{OPENS}).*?(?:{CLOSES})", re.I | re.S)
CHANNEL = re.compile(r"<\|channel\|>\s*(\w+)[^<]*(?:<\|constrain\|>[^<]*)?<\|message\|>")
MARKS = re.compile(f"{OPENS}|{CLOSES}|{CHANNEL.pattern}", re.I)
BARE_CHANNELS = re.compile(r"\Aanalysis(?=[A-Z\"'*]).*?(?:assistantfinal|\Z)", re.S)  # marks lost in decoding
WIDE = str.maketrans("＜＞", "<>")
AFTER = re.compile(r"<\|[^|>\s]*\|>|</s>|<end_of_turn>|<eos>|\[/?INST\]")  # another turn begins


def without_thoughts(text: str) -> str:
    """Return an answer without what a reasoning model thought before it; empty where it got no further."""
    text = unescape(text).translate(WIDE)
    if channels := list(CHANNEL.finditer(text)):
        last = channels[-1]
        text = AFTER.split(text[last.end() :])[0] if last[1] == "final" else ""
    text = BARE_CHANNELS.sub("", BLOCK.sub("", text))
    *_, text = CLOSING.split(text)  # the opening mark stood in the prompt
    return OPENING.split(text)[0].strip()
