"""The words of simulated item texts: topics with their sub-topics (visible factor), styles (text-only), names."""

TOPICS = {
    "Cooking": {
        "Baking": ["sourdough", "pastry", "oven", "flour", "cake"],
        "Grilling": ["barbecue", "charcoal", "steak", "smoker", "marinade"],
        "Coffee": ["espresso", "grinder", "roast", "brew", "barista"],
    },
    "Camping": {
        "Tents": ["tent", "campsite", "tarp", "shelter", "rainfly"],
        "Hiking": ["trail", "backpack", "summit", "boots", "ridge"],
        "Climbing": ["rope", "carabiner", "cliff", "belay", "harness"],
    },
    "Gardening": {
        "Vegetables": ["tomato", "compost", "seedling", "harvest", "greenhouse"],
        "Flowers": ["rose", "tulip", "bouquet", "blossom", "orchid"],
        "Lawns": ["mower", "turf", "hedge", "sprinkler", "meadow"],
    },
    "Photography": {
        "Lenses": ["lens", "aperture", "zoom", "macro", "focus"],
        "Portraits": ["portrait", "studio", "flash", "backdrop", "pose"],
        "Darkroom": ["film", "negative", "exposure", "print", "darkroom"],
    },
    "Fitness": {
        "Running": ["marathon", "sprint", "sneakers", "pace", "jogging"],
        "Yoga": ["yoga", "meditation", "stretch", "breathing", "balance"],
        "Weights": ["barbell", "kettlebell", "squat", "muscle", "gym"],
    },
    "Music": {
        "Guitars": ["guitar", "chord", "strings", "amplifier", "solo"],
        "Pianos": ["piano", "keyboard", "sonata", "pedal", "melody"],
        "Drums": ["drum", "cymbal", "rhythm", "snare", "tempo"],
    },
    "Astronomy": {
        "Telescopes": ["telescope", "eyepiece", "observatory", "mirror", "tripod"],
        "Planets": ["planet", "Mars", "Saturn", "orbit", "moon"],
        "Rockets": ["rocket", "launch", "satellite", "astronaut", "engine"],
    },
    "Sailing": {
        "Boats": ["sailboat", "hull", "mast", "rudder", "anchor"],
        "Navigation": ["compass", "chart", "harbour", "lighthouse", "tide"],
        "Fishing": ["fishing", "reel", "bait", "trout", "angler"],
    },
}
STYLES = {
    "rustic": ["rustic", "weathered", "handmade", "earthy"],
    "minimal": ["minimal", "plain", "slim", "understated"],
    "vintage": ["vintage", "retro", "antique", "nostalgic"],
    "neon": ["neon", "vivid", "electric", "glowing"],
    "velvet": ["velvet", "plush", "silky", "soft"],
    "steel": ["steel", "industrial", "rugged", "polished"],
}
NAMES = [
    "Northvale", "Harlow", "Brightwater", "Calder", "Ashgrove", "Pinecrest", "Larkin", "Redfern", "Summerby",
    "Tolland", "Wexcombe", "Yarrow",
]  # fmt: skip
ABOUT_TOPIC = [
    "Everything about {sub} starts with the {x} and the {y}.",
    "A good {x} makes {topic} easier, and so does the {y}.",
    "People who love {sub} will talk about the {x} for weeks.",
    "From {x} to {y}: a closer look at {sub}.",
    "It brings {topic} closer, with a {x} for beginners and a {y} for experts.",
]
ABOUT_STYLE = [
    "The look is {x}, almost {y}.",
    "Its finish is {x} and {y} in equal parts.",
    "A {x} mood runs through it, {y} to the last detail.",
]
