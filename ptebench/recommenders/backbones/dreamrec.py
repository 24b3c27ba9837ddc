"""DreamRec: the next item's vector by guided diffusion from the history (Yang et al., NeurIPS 2023)."""

import torch
from torch import nn

from ptebench.recommenders.backbones.sasrec import Backbone as Sasrec
from ptebench.recommenders.losses.cross_entropy import loss as cross_entropy

TIME = 256  # width of the sinusoids


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
    """A SASRec encoder conditions a denoiser that predicts the target's vector x_0 from its noisy form x_t.

    The target is detached, so that items cannot shrink to a point to please the regression; a softmax over the items
    at the denoiser's output trains their vectors, at the blind steps, where x_t shows nothing of the target: at the
    others it would train them to be told from noise, not from a history. Vectors are seen centred, at one scale.
    Ranking samples with noise that a user keeps, whoever else is in the batch. Each view of a history, side by side in
    states and vectors (n, views * d), goes through the one denoiser, as it went through the encoder.
    """

    def __init__(self, settings: dict, catalogue):
        super().__init__({**settings, "loss": "cross_entropy"}, catalogue)
        d = settings["dimension"]
        self.time = nn.Sequential(nn.Linear(TIME, 2 * d), nn.GELU(), nn.Linear(2 * d, d))
        self.denoiser = nn.Sequential(nn.Linear(3 * d, 2 * d), nn.GELU(), nn.Linear(2 * d, d))
        self.null = nn.Parameter(torch.randn(d) * 0.02)
        kept = 1 - torch.linspace(settings["first_noise"], settings["last_noise"], settings["steps"]).double()
        self.register_buffer("signal", kept.cumprod(0).float(), persistent=False)
        # what x_t holds of x_0 is sqrt(signal * d) long, shorter than noise is in any one direction
        self.register_buffer("blind", self.signal * d < 1, persistent=False)
        self.register_buffer("gauss", torch.randn(catalogue.users + 1, d), persistent=False)

    def scaled(self, vectors):
        """Return vectors (n + 1, views * d): over the items that training knows, each view has mean 0 and variance 1.

        One variance for all coordinates: with each at 1, vectors that leave a layer norm learned next to nothing.
        """
        views = vectors.unflatten(1, (-1, len(self.null)))
        centred = views - views[self.known].mean(0)
        return (centred / centred[self.known].square().mean((0, 2)).sqrt().clamp_min(1e-8)[:, None]).flatten(1)

    def denoise(self, noisy, condition, step):
        """Return the prediction of x_0 (n, views * d) from x_t and the condition, of the same shape, and t (n,)."""
        noisy, condition = (x.unflatten(1, (-1, len(self.null))) for x in (noisy, condition))
        time = self.time(sinusoids(step))[:, None].expand_as(noisy)
        return self.denoiser(torch.cat([noisy, condition, time], 2)).flatten(1)

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

    def noise(self, users, views: int, draw: int):
        """Return the noise (B, views * d) of a user's `draw`-th call, one row of a table further with every view."""
        return torch.cat([self.gauss[(users - draw * views - view) % len(self.gauss)] for view in range(views)], 1)

    def loss(self, batch, representation, generator):
        """Return the mean squared error of x_0 at every position and, a share `contrast`, the softmax at blind steps.

        The representation's own terms are of the encoder's states, which condition the denoiser.
        """
        vectors = representation.item_vectors()
        users, histories = batch
        targets = histories[:, 1:]
        real = targets > 0
        states = self.states(histories[:, :-1], vectors, representation)
        hidden = states[real]
        items, row = self.scaled(vectors), targets[real]
        clean, device = items[row].detach(), row.device
        step = torch.randint(len(self.signal), row.shape, generator=generator, device=device)
        noise = torch.randn(clean.shape, generator=generator, device=device)
        signal = self.signal[step][:, None]
        unconditional = torch.rand(row.shape, generator=generator, device=device) < self.settings["unconditional"]
        condition = torch.where(unconditional[:, None], self.unconditioned(hidden), hidden)
        predicted = self.denoise(signal.sqrt() * clean + (1 - signal).sqrt() * noise, condition, step)
        share, blind = self.settings["contrast"], self.blind[step]
        objective = (1 - share) * (clean - predicted).square().mean()
        if share and bool(blind.any()):
            choices = items[self.known] / items.shape[1] ** 0.5
            objective = objective + share * cross_entropy(predicted[blind], choices, self.row[row[blind]])
        last = states[torch.arange(len(users), device=device), real.sum(1) - 1]
        return objective + representation.auxiliary_loss(hidden, row) + representation.history_loss(users, last)

    def queries(self, histories, users, representation):
        """Return x_0 (B, views * d), the mean of `samples`, none longer than 99 % of the items are."""
        vectors = representation.item_vectors()
        longest = self.scaled(vectors)[self.known].norm(dim=1).quantile(0.99)
        padded = histories.padded(torch.arange(len(histories), device=users.device), self.length)
        last = (padded > 0).sum(1).sub(1).clamp_min(0)
        condition = self.states(padded, vectors, representation)[torch.arange(len(padded)), last]
        samples = [self.sample(condition, users, longest, number) for number in range(self.settings["samples"])]
        return torch.stack(samples).mean(0)

    def sample(self, condition, users, longest, number: int):
        """Return the `number`-th sample of x_0 (B, views * d), shortened to `longest`, given the condition."""
        views, eta = condition.shape[1] // len(self.null), self.settings["eta"]
        steps = list(range(len(self.signal) - 1, -1, -self.settings["stride"]))
        first = number * len(steps)
        noisy = self.noise(users, views, first)
        for draw, (step, following) in enumerate(zip(steps, [*steps[1:], None], strict=True), first + 1):
            clean = self.guided(noisy, condition, torch.full((len(users),), step, device=users.device))
            clean = clean * (longest / clean.norm(dim=1, keepdim=True).clamp_min(1e-8)).clamp_max(1)
            if following is None:
                return clean
            fresh = self.noise(users, views, draw) if eta else 0.0
            noisy = earlier(noisy, clean, self.signal[step], self.signal[following], eta, fresh)

    def scores(self, queries, representation):
        """Return (B, n_items + 1)."""
        return queries @ self.scaled(representation.item_vectors()).T
