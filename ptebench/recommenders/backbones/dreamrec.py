"""DreamRec: the next item's vector by guided diffusion from the history (Yang et al., NeurIPS 2023)."""

import math

import torch
from torch import nn

from ptebench.recommenders.backbones.sasrec import Backbone as Sasrec
from ptebench.recommenders.losses.cross_entropy import loss as cross_entropy

TIME = 256  # width of the sinusoids
SHIFTS = ((30, -0x40A7B892E31B1A47), (27, -0x6B2FB644ECCEEE15), (31, 1))  # of splitmix64 (Steele et al., OOPSLA 2014)


def scramble(keys: torch.Tensor) -> torch.Tensor:
    """Return hashes of keys (int64): neighbouring keys have unrelated hashes."""
    for shift, factor in SHIFTS:
        keys = (keys ^ (keys >> shift & (1 << 64 - shift) - 1)) * factor
    return keys


def gauss(keys: torch.Tensor, width: int) -> torch.Tensor:
    """Return standard normal noise (n, width), each row a function of its own key (n,)."""
    bits = scramble(scramble(keys)[:, None] + torch.arange(1, width + 1, device=keys.device))
    uniform = ((bits >> 12 & 2**52 - 1).double() + 0.5) / 2**52
    return (torch.erfinv(2 * uniform - 1) * math.sqrt(2)).float()


def sinusoids(steps: torch.Tensor) -> torch.Tensor:
    """Return (n, TIME) of diffusion steps (n,)."""
    rates = torch.exp(torch.arange(TIME // 2, device=steps.device) * (-9.21034 / (TIME // 2)))
    angles = steps[:, None].float() * rates
    return torch.cat([angles.sin(), angles.cos()], 1)


def earlier(noisy, clean, now, then, eta: float, fresh):
    """Return x_s (n, d) from x_t `noisy`, x_0 `clean` and the signals of t and s < t.

    `eta` says how much of the noise is `fresh` (n, d): 0 none, DDIM; 1 as much as in DDPM, where s is t - 1 (Song et
    al., ICLR 2021, equations 12 and 16).
    """
    spread = eta * ((1 - then) / (1 - now) * (1 - now / then)).sqrt()
    direction = (noisy - now.sqrt() * clean) / (1 - now).sqrt()
    return then.sqrt() * clean + (1 - then - spread.square()).sqrt() * direction + spread * fresh


class Backbone(Sasrec):
    """A SASRec encoder conditions a denoiser that recovers the target's vector x_0 from its noisy form x_t.

    The denoiser returns a distribution over the items; its mean vector is x_0. The likelihood of x_t given each item
    follows from Bayes' rule; a small net adds the evidence of the history. At blind steps, where x_t holds no signal,
    the denoiser is a softmax head. Only these steps train the item vectors: at the others, vectors would learn to be
    far from noise. Vectors are centred and have one scale. Every step of every sample estimates the same distribution
    over the next item, and items are ranked by the mean of all. The views of a history lie side by side in states and
    vectors (n, views * d), and each goes through the same net, as through the same encoder.
    """

    signal: torch.Tensor  # (steps,)
    blind: torch.Tensor  # (steps,)

    def __init__(self, settings: dict, catalogue):
        super().__init__({**settings, "loss": "cross_entropy"}, catalogue)
        d = settings["dimension"]
        self.time = nn.Sequential(nn.Linear(TIME, 2 * d), nn.GELU(), nn.Linear(2 * d, d))
        self.denoiser = nn.Sequential(nn.Linear(3 * d, 2 * d), nn.GELU(), nn.Linear(2 * d, d))
        self.null = nn.Parameter(torch.randn(d) * 0.02)
        ends = math.log(settings["first_signal"]), math.log(settings["last_signal"])
        levels = torch.linspace(*ends, settings["steps"], dtype=torch.float64)
        self.register_buffer("signal", (levels - math.log(d)).sigmoid().float(), persistent=False)
        self.register_buffer("blind", levels < 0, persistent=False)
        self.clear = int((levels >= 0).sum())
        self.samples = settings["samples"]
        self.seed = int(torch.randint(2**62, ()))

    def rescale(self, vectors):
        """Return vectors (n + 1, views * d), each view with mean 0 and variance 1 over the training items.

        One variance for all coordinates: with each at 1, vectors that leave a layer norm learned next to nothing.
        """
        views = vectors.unflatten(1, (-1, len(self.null)))
        centred = views - views[self.train_items].mean(0)
        return (centred / centred[self.train_items].square().mean((0, 2)).sqrt().clamp_min(1e-8)[:, None]).flatten(1)

    @staticmethod
    def choices(items):
        """Return vectors (n, views * d) with their squared lengths appended, for the product with `denoise`."""
        return torch.cat([items, items.square().sum(1, keepdim=True)], 1)

    def denoise(self, noisy, condition, step):
        """Return the query (n, views * d + 1) whose products with `choices` are the logits of x_0.

        `noisy` x_t and `condition` are (n, views * d), `step` (n,). The net's part, log p(i | history), is beside the
        log density of x_t around item i: signal^.5 x_t . i / noise - signal |i|^2 / (2 noise).
        """
        each = [x.unflatten(1, (-1, len(self.null))) for x in (noisy, condition)]
        time = self.time(sinusoids(step))[:, None].expand_as(each[0])
        net = self.denoiser(torch.cat([*each, time], 2)).flatten(1) / noisy.shape[1] ** 0.5
        signal = (self.signal * ~self.blind)[step][:, None]
        return torch.cat([net + signal.sqrt() / (1 - signal) * noisy, -signal / (1 - signal) / 2], 1)

    def unconditioned(self, condition):
        """Return the null vector in the place of every condition (n, views * d), each of its views."""
        return self.null.repeat(condition.shape[1] // len(self.null)).expand_as(condition)

    def guided(self, noisy, condition, step):
        """Return (1 + w) f(x_t, c, t) - w f(x_t, null, t)."""
        with_condition = self.denoise(noisy, condition, step)
        if not self.settings["guidance"]:
            return with_condition
        without = self.denoise(noisy, self.unconditioned(condition), step)
        return with_condition + self.settings["guidance"] * (with_condition - without)

    def denoised(self, clean, hidden, step, generator):
        """Return the query (n, views * d + 1) for the targets' vectors `clean` after noise of `step` (n,)."""
        signal = self.signal[step][:, None]
        noise = torch.randn(clean.shape, generator=generator, device=clean.device)
        drop = torch.rand(step.shape, generator=generator, device=clean.device) < self.settings["unconditional"]
        condition = torch.where(drop[:, None], self.unconditioned(hidden), hidden)
        return self.denoise(signal.sqrt() * clean + (1 - signal).sqrt() * noise, condition, step)

    def loss(self, batch, representation, generator):
        """Return the cross entropy of every target at a blind step and, `reconstruction` times, at one of the others.

        The representation's own terms are of the encoder's states, which condition the denoiser.
        """
        vectors = representation.item_vectors()
        users, histories = batch
        targets = histories[:, 1:]
        real = targets > 0
        # without its last item, a row is as long as if it were alone in the batch
        states = self.states(histories[:, :-1] * real, vectors, representation, users)
        hidden, row = states[real], targets[real]
        items = self.rescale(vectors)
        clean, choices, device = items[row].detach(), self.choices(items[self.train_items]), row.device
        objective = 0.0
        for weight, steps, items_of_loss in (
            (1.0, (self.clear, len(self.signal)), choices),
            (self.settings["reconstruction"], (0, self.clear), choices.detach()),
        ):
            if weight:
                step = torch.randint(*steps, row.shape, generator=generator, device=device)
                query = self.denoised(clean, hidden, step, generator)
                objective = objective + weight * cross_entropy(query, items_of_loss, self.row[row])
        last = states[torch.arange(len(users), device=device), real.sum(1) - 1]
        return objective + representation.auxiliary_loss(hidden, row) + representation.history_loss(users, last)

    def queries(self, histories, users, representation):
        """Return the mean distribution over the items (B, n_items + 1) of samples, or that of one pass from zeros."""
        vectors = representation.item_vectors()
        padded = histories.padded(torch.arange(len(histories), device=users.device), self.length)
        last = (padded > 0).sum(1).sub(1).clamp_min(0)
        condition = self.states(padded, vectors, representation, users)[torch.arange(len(padded)), last]
        items = self.rescale(vectors)[representation.rankable]
        if self.samples:
            keys = scramble(scramble(users + self.seed) + histories.lengths)
            chances = sum(self.sample(condition, keys, items, number) for number in range(self.samples))
        else:
            chances = self.distribution(torch.zeros_like(condition), condition, len(self.signal) - 1, items)
        every = chances.new_zeros(len(chances), len(vectors))
        every[:, representation.rankable] = chances / max(self.samples * len(self.signal), 1)
        return every

    def distribution(self, noisy, condition, step: int, items):
        """Return what x_t (B, views * d) and the condition say of x_0 among `items` (n, views * d): (B, n)."""
        steps = torch.full((len(noisy),), step, device=noisy.device)
        return (self.guided(noisy, condition, steps) @ self.choices(items).T).softmax(1)

    def sample(self, condition, keys, items, number: int):
        """Return the sum over all steps of the `number`-th sample of the distributions over `items` (B, n)."""
        eta, draw, total = self.settings["eta"], number * len(self.signal), 0.0
        noisy = gauss(keys + draw, condition.shape[1])
        for step in reversed(range(len(self.signal))):
            chances = self.distribution(noisy, condition, step, items)
            total = total + chances
            if step:
                draw += 1
                fresh = gauss(keys + draw, condition.shape[1]) if eta else 0.0
                noisy = earlier(noisy, chances @ items, self.signal[step], self.signal[step - 1], eta, fresh)
        return total

    def scores(self, queries, representation):
        """Return (B, n_items + 1)."""
        return queries
