"""AdamW without torch's compiler, which torch.optim imports to say that it must stay away: 800 modules in every job."""

import torch


class AdamW(torch.optim.AdamW):
    """torch.optim.AdamW, its methods without the wrappers that are for compiled steps."""

    add_param_group = torch.optim.Optimizer.add_param_group.__wrapped__
    zero_grad = torch.optim.Optimizer.zero_grad.__wrapped__
    state_dict = torch.optim.Optimizer.state_dict.__wrapped__
    load_state_dict = torch.optim.Optimizer.load_state_dict.__wrapped__
    step = torch.no_grad()(torch.optim.AdamW.step.__wrapped__)
