"""Run one prompt-injection guard as a worker: one JSON request per line on stdin, one JSON reply per line on stdout.

    python worker.py ai_injection_guard|nukon|clawguard|toolwall|profanity|minilm|nanoguard
        [--threshold 0.6] [--threads 1] [--env env]

Request  {"id": 7, "stage": "input", "messages": [{"role": "user", "content": "the prompt"}]}
Reply    {"id": 7, "outcome": "held"|"failed"|"error", "score": 0.93, "labels": ["rule"], "reason": "class of the exception"}

"held": the guard, with its package's default settings, would block the last user message. "failed": it lets it through.
The score is the guard's own suspicion, on its own scale. Each guard below is a function that loads the guard once and
returns judge(prompt) -> (blocked, score, labels).
"""

import argparse
import json
import os
import sys
from pathlib import Path

os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", TOOLWALL_DISABLE_JUDGE="1", TOKENIZERS_PARALLELISM="false")


def ai_injection_guard(args):
    # prompt_shield.PromptScanner().scan(): regular expressions, the weights of those that match are added up (the score).
    # Block: what .check() raises at, severity MEDIUM or more (the default threshold, score 4 or more).
    from prompt_shield import PromptScanner

    scanner = PromptScanner()
    blocking = scanner.SEVERITY_ORDER[scanner.SEVERITY_ORDER.index(scanner.threshold) :]

    def judge(prompt):
        result = scanner.scan(prompt)
        return result.severity in blocking, result.risk_score, [match["name"] for match in result.matches]

    return judge


def nukon(args):
    # nukon_pi_detect.scan(): Unicode normalisation, then regular expressions; score = 1 - product of (1 - confidence).
    # Block: decision MALICIOUS (score 0.85 or more, or one hit of 0.9 or more), where its manual refuses the input.
    from nukon_pi_detect import DECISION_MALICIOUS, scan

    def judge(prompt):
        result = scan(prompt)
        return result.decision == DECISION_MALICIOUS, result.score, [hit.id for hit in result.hits]

    return judge


def clawguard(args):
    # clawguard_core.Scanner().scan(): regular expressions, line by line; score = risk score from 0 to 10.
    # Block: .detected (any finding), where its command line exits with 1 and recommends to block.
    from clawguard_core import Scanner

    scanner = Scanner()

    def judge(prompt):
        result = scanner.scan(prompt)
        return result.detected, result.risk_score, [finding["pattern_name"] for finding in result.findings]

    return judge


def toolwall(args):
    # toolwall.detect.CompositeDetector(use_judge=False).score(): rules on the text and on its decoded (base64, hex, URL,
    # gzip) and normalised forms, invisible characters, markdown links that leak; score = the worst hit. This is what
    # `toolwall check` runs by default; the optional judge is left out, it is a model to download.
    # Block: score at least Policy().response_ipi_threshold (0.6). The package is made for tool outputs.
    from toolwall import Policy
    from toolwall.detect import CompositeDetector

    detector = CompositeDetector(use_judge=False)
    threshold = Policy().response_ipi_threshold

    def judge(prompt):
        score, hits = detector.score(prompt)
        return score >= threshold, score, [hit["kind"] for hit in hits]

    return judge


def profanity(args):
    # profanity_check.predict() and predict_prob(): bag of words and a calibrated linear SVM. Block: predict() is 1.
    # It looks for offensive language, not for injections.
    from profanity_check import predict, predict_prob

    def judge(prompt):
        return predict([prompt])[0] == 1, predict_prob([prompt])[0], []

    return judge


def minilm(args):
    # all_minilm_l6_v2.get_model_path() and sentence_transformers.SentenceTransformer().encode(): the cosine similarity to
    # the nearest attack of known.jsonl (the score). The package is only the model: the guard around it, and its threshold,
    # are ours. Block: score at least --threshold. At the default, 3 % of 1,500 benign prompts of the corpora outside
    # benign.jsonl are blocked.
    import hashlib

    import numpy
    import torch
    from all_minilm_l6_v2 import get_model_path
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(args.threads)
    model = SentenceTransformer(str(get_model_path(str(args.env))), device="cpu")

    def encode(texts):
        return model.encode(texts, normalize_embeddings=True, show_progress_bar=False)

    text = (args.env / "known.jsonl").read_bytes()
    cache = args.env / f"known-{hashlib.sha256(text).hexdigest()[:16]}.npy"
    if not cache.exists():
        partial = cache.with_suffix(f".{os.getpid()}.npy")
        numpy.save(partial, encode([json.loads(line)["prompt"] for line in text.decode("utf-8").split("\n") if line]))
        os.replace(partial, cache)
    known = numpy.load(cache)

    def judge(prompt):
        score = (known @ encode([prompt])[0]).max()
        return score >= args.threshold, score, []

    return judge


def nanoguard(args):
    # nanoguard.NanoGuard().scan(): a transformer of 16.8 M parameters over the first 512 tokens; score = probability of an
    # injection. Block: is_injection (probability 0.5 or more). The package pads every prompt to 512 tokens, and its
    # attention sees the padding, so each call costs the same and shorter padding would change the scores. Its model card
    # names 11 public training sets, not which: some of the measured prompts may have been among them.
    import torch
    from nanoguard import NanoGuard

    torch.set_num_threads(args.threads)
    guard = NanoGuard(device="cpu")

    def judge(prompt):
        result = guard.scan(prompt)
        return result.is_injection, result.injection_score, []

    return judge


GUARDS = {f.__name__: f for f in (ai_injection_guard, nukon, clawguard, toolwall, profanity, minilm, nanoguard)}


def answer(judge, line):
    """The reply to one request. A guard that raises has not judged: that is an error, neither held nor failed."""
    ident = None
    try:
        request = json.loads(line)
        ident = request.get("id")
        prompt = [message for message in request["messages"] if message["role"] == "user"][-1]["content"]
        if not isinstance(prompt, str):
            raise TypeError("the content must be a string")
        blocked, score, labels = judge(prompt)
        reply = {"id": ident, "outcome": "held" if blocked else "failed", "score": round(float(score), 6)}
        if labels:
            reply["labels"] = sorted(set(labels))
        return reply
    except Exception as error:
        return {"id": ident, "outcome": "error", "reason": type(error).__name__}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("guard", choices=GUARDS)
    parser.add_argument("--threshold", type=float, default=0.6, help="minilm: block at this cosine similarity")
    parser.add_argument("--threads", type=int, default=1, help="minilm, nanoguard: threads of torch")
    parser.add_argument("--env", type=Path, default=Path(__file__).resolve().parent / "env", help="minilm: known.jsonl, model")
    args = parser.parse_args()
    # Replies go to the real stdout; whatever a library prints goes to stderr.
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8", newline="\n")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    judge = GUARDS[args.guard](args)
    for line in sys.stdin.buffer:
        if line.strip():
            replies.write(json.dumps(answer(judge, line)) + "\n")
            replies.flush()


if __name__ == "__main__":
    main()
