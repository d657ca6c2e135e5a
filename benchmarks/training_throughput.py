"""Time of training `joint` on digit halves through the training loop, against a plain PyTorch loop of the same model.

Both see the same slices of tensors in memory, clip gradients, score the validation part after each epoch and keep a
deep copy of the best weights. They take turns in one process; the best of several rounds counts.

    python benchmarks/training_throughput.py --epochs 20 --rounds 5
"""

import argparse
import copy
import time

import torch
from torch.nn.functional import cross_entropy

from interplay.data.datasets import load_digit_halves
from interplay.methods import Batch, Joint
from interplay.nn import MaskedEncoder, Standardize, build_encoder
from interplay.training import Settings, to_batch, train


def build(data: Batch) -> Joint:
    torch.manual_seed(0)
    method = Joint()
    encoders = {
        name: MaskedEncoder(
            Standardize.fit(x, torch.ones(x.shape[:1], dtype=torch.bool)), build_encoder("mlp", (32,)), name
        )
        for name, x in data.modalities.items()
    }
    method.build(encoders, torch.full((10,), 0.1))
    return method


def plain_loop(method: Joint, training: Batch, validation: Batch, settings: Settings) -> None:
    optimizer = torch.optim.AdamW(method.parameters(), settings.learning_rate, weight_decay=settings.weight_decay)
    generator = torch.Generator().manual_seed(0)
    best, best_state = float("inf"), {}
    for _ in range(settings.max_epochs):
        method.train()
        for rows in torch.randperm(len(training), generator=generator).split(settings.batch_size):
            batch = training[rows]
            loss = cross_entropy(method(batch).logits, batch.target)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(method.parameters(), settings.gradient_clip)
            optimizer.step()
        method.eval()
        with torch.no_grad():
            score = cross_entropy(method(validation).logits, validation.target).item()
        if score < best:
            best, best_state = score, copy.deepcopy(method.state_dict())
    method.load_state_dict(best_state)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--epochs", type=int, default=20)
    options.add_argument("--rounds", type=int, default=5)
    chosen = options.parse_args()
    torch.set_num_threads(1)
    digits = load_digit_halves()
    data = to_batch(digits, digits.codes)
    training, validation = data[:1350], data[1350:]
    settings = Settings(max_epochs=chosen.epochs, patience=10**6)
    runs = {
        "plain PyTorch": lambda: plain_loop(build(data), training, validation, settings),
        "training loop": lambda: train(build(data), training, validation, settings, seed=0),
    }
    # Processor time beside wall time: on a busy machine only the former is fair.
    wall: dict[str, list[float]] = {name: [] for name in runs}
    processor: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(chosen.rounds):
        for name, run in runs.items():
            started, worked = time.perf_counter(), time.process_time()
            run()
            wall[name].append(time.perf_counter() - started)
            processor[name].append(time.process_time() - worked)
    print(f"joint on digit halves, 1350 rows, batches of 64, {chosen.epochs} epochs, best of {chosen.rounds} rounds\n")
    print("| loop | wall s | processor s | rows a second |")
    print("| --- | ---: | ---: | ---: |")
    for name in runs:
        rate = 1350 * chosen.epochs / min(processor[name])
        print(f"| {name} | {min(wall[name]):.2f} | {min(processor[name]):.2f} | {rate:.0f} |")
    ratios = [min(times["training loop"]) / min(times["plain PyTorch"]) for times in (wall, processor)]
    print(f"\nratio {ratios[0]:.2f} (wall), {ratios[1]:.2f} (processor); at most 1.5 is wanted")


if __name__ == "__main__":
    main()
