"""Time and memory of the additive TCMax loss against the B x B x K tensor, in one run, one thread, one process a cell.

    python benchmarks/tcmax_loss.py

Loss and gradient with respect to the logits, float32. "twin": the sum over all pairs written out with a stable softmax;
"published": the steps of the released code (copies of every pair, shift by the mean, exp, normalise, the two logged
marginal losses). Time: the least of several repeats, processor seconds of one thread. Memory: the rise of the largest
resident set. A form that would need more than 12 GiB is not run.
"""

import json
import math
import resource
import subprocess
import sys
import time

import torch
from torch import Tensor

import interplay as ip

BATCHES, CLASSES = (64, 256, 1024, 2048), (6, 31, 309)
LIMIT = 12 * 2**30


def twin(a: Tensor, v: Tensor, y: Tensor) -> Tensor:
    """-log softmax over all B x B x K entries at the true pairs and labels, mean, minus log B."""
    i = torch.arange(len(y))
    pairs = a[:, None] + v
    return -pairs.flatten().log_softmax(0).reshape(pairs.shape)[i, i, y].mean() - math.log(len(y))


def published(a: Tensor, v: Tensor, y: Tensor) -> Tensor:
    b, k = a.shape
    pairs = a.repeat_interleave(b, 0) + v.repeat(b, 1)
    p = (pairs - pairs.mean()).exp()
    p = (p / p.sum()).reshape(b, b, k)
    i = torch.arange(b)
    own = -p[i, i, y].log().mean() - math.log(b)
    logged = [-p.sum(1)[i, y].log().mean() - math.log(b), -p.sum(0)[i, y].log().mean() - math.log(b)]
    return own + 0 * torch.stack(logged).sum().detach()


def ours(a: Tensor, v: Tensor, y: Tensor) -> Tensor:
    return ip.losses.tcmax_additive([a, v], y)


FORMS = {"ours": ours, "twin": twin, "published": published}
# Buffers of B * B * K floats alive at the peak, as measured at B = 1024, K = 31.
BUFFERS = {"ours": 0, "twin": 4, "published": 6}


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def cell(form: str, b: int, k: int) -> dict[str, float]:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    a, v = torch.randn(2, b, k)
    y = torch.randint(k, (b,))
    a, v = a.requires_grad_(), v.requires_grad_()
    small = [x[:8].detach().clone().requires_grad_() for x in (a, v)]
    for _ in range(3):
        FORMS[form](*small, y[:8]).backward()
    before, best, spent, repeats = peak(), math.inf, 0.0, 0
    while repeats < 2 or (spent < 1.0 and repeats < 2000):
        a.grad = v.grad = None
        start = time.thread_time()
        FORMS[form](a, v, y).backward()
        best = min(best, time.thread_time() - start)
        spent, repeats = spent + time.thread_time() - start, repeats + 1
        if repeats == 1:
            memory = peak() - before
    return {"ms": 1e3 * best, "mib": memory / 2**20}


def main() -> None:
    if len(sys.argv) == 4:
        print(json.dumps(cell(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
        return
    print("| K | B | ours ms | twin ms | published ms | twin / ours | published / ours "
          "| ours MiB | twin MiB | published MiB |")  # fmt: skip
    print("| --- " * 10 + "|")
    for k in CLASSES:
        for b in BATCHES:
            found = {}
            for form in FORMS:
                if BUFFERS[form] * 4 * b * b * k > LIMIT:
                    continue
                command = [sys.executable, __file__, form, str(b), str(k)]
                found[form] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            row = [f"{found[form]['ms']:.3g}" if form in found else "-" for form in FORMS]
            row += [f"{found[f]['ms'] / found['ours']['ms']:.3g}" if f in found else "-" for f in ("twin", "published")]
            row += [f"{found[form]['mib']:.1f}" if form in found else "-" for form in FORMS]
            print(f"| {k} | {b} | {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
