"""Names as papers print them."""

NAMES = {
    "popularity": "Popularity", "random": "Random", "markov": "Markov", "itemknn": "ItemKNN", "ease": "EASE",
    "textknn": "TextKNN", "sasrec": "SASRec", "gru4rec": "GRU4Rec", "hstu": "HSTU", "bert4rec": "BERT4Rec",
    "dreamrec": "DreamRec", "tiger": "TIGER", "p5": "P5", "biasmf": "BiasMF", "ncf": "NCF", "lightgcn": "LightGCN",
    "sgl": "SGL", "simgcl": "SimGCL", "id": "ID", "morec": "MoRec", "unisrec": "UniSRec", "whitenrec": "WhitenRec",
    "llminit": "LLMInit", "alphafuse": "AlphaFuse", "rlmrec": "RLMRec", "rlmrec_con": "RLMRec-Con",
    "rlmrec_gen": "RLMRec-Gen", "llmesr": "LLM-ESR", "alpharec": "AlphaRec", "jepa": "JEPA", "reclm": "RecLM",
    "pte": "PtE", "card": "Card", "frozen": "Frozen", "infonce": "InfoNCE", "minilm": "MiniLM", "lsa": "LSA",
    "leave_one_out": "leave-one-out", "zero_shot": "zero-shot",
}  # fmt: skip


def display(name: str) -> str:
    """Return a name of the configuration as papers print it: pte_shuffled is PtE (shuffled)."""
    words = name.replace("-", "_").split("_")
    for length in range(len(words), 0, -1):
        if title := NAMES.get("_".join(words[:length])):
            rest = " ".join(NAMES.get(word, word) for word in words[length:])
            return f"{title} ({rest})" if rest else title
    return name.replace("_", " ")
