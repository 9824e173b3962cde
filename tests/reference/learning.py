"""Learning from choices, in numpy and scipy: what `crates/pad-learning/tests/reference.rs` compares the crate with.

The mode is found by scipy's optimiser, expectations by adaptive quadrature, and for two dimensions the posterior's mean also by summing
over a fine grid, without any approximation by Gaussians.

    pip install numpy==2.2.6 scipy==1.15.3
    python tests/reference/learning.py > tests/data/learning.jsonl
"""

import json

import numpy as np
from scipy.integrate import quad
from scipy.optimize import minimize
from scipy.special import expit, logsumexp

WIDTHS = [0.25, 0.5, 1.0, 2.0, 4.0]


def differences(choice):
    one = np.array(choice.get("chosen") or choice.get("rejected") or choice.get("answer"))
    others = choice["others"] if "others" in choice else [choice["typical"]]
    return [np.array(other) - one for other in others]


def contrasts(choice, scale):
    """Rows whose product with (w, intercept) are the log odds of each alternative to what was done."""
    sign, intercept = {"best": (1, 0), "worst": (-1, 0)}.get(choice["kind"]) or ((1, -1) if choice["approved"] else (-1, 1))
    return np.array([np.append(sign * difference / scale, intercept) for difference in differences(choice)])


def log_likelihood(rows, theta):
    return -sum(logsumexp(np.append(row @ theta, 0.0)) for row in rows)


def laplace(rows, mean, covariance):
    precision = np.linalg.inv(covariance)

    def negative(theta):
        return -log_likelihood(rows, theta) + (theta - mean) @ precision @ (theta - mean) / 2

    def gradient(theta):
        total = precision @ (theta - mean)
        for row in rows:
            odds = np.append(row @ theta, 0.0)
            total = total + np.exp(odds - logsumexp(odds))[:-1] @ row
        return total

    def hessian(theta):
        total = precision.copy()
        for row in rows:
            odds = np.append(row @ theta, 0.0)
            p = np.exp(odds - logsumexp(odds))[:-1]
            total = total + row.T @ (np.diag(p) - np.outer(p, p)) @ row
        return total

    found = minimize(negative, mean, jac=gradient, hess=hessian, method="trust-exact", options={"gtol": 1e-11, "maxiter": 500})
    curvature = hessian(found.x)
    evidence = -found.fun - (np.linalg.slogdet(covariance)[1] + np.linalg.slogdet(curvature)[1]) / 2
    return found.x, np.linalg.inv(curvature), evidence


def theta_prior(prior_mean, prior_covariance, width):
    d = len(prior_mean)
    covariance = np.eye(d + 1)
    covariance[:d, :d] = np.array(prior_covariance) * width**2
    return np.append(prior_mean, 0.0), covariance


def exact_mean(rows, prior_mean, prior_covariance):
    """The mean of w over all widths, by summing over a grid; for two dimensions and no verdicts."""
    axis = np.linspace(-16, 16, 641)
    grid = np.stack(np.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 2)
    likelihood = sum(-logsumexp(np.concatenate([grid @ row[:, :2].T, np.zeros((len(grid), 1))], 1), axis=1) for row in rows)
    logs = []
    for width in WIDTHS:
        covariance = np.array(prior_covariance) * width**2
        apart = grid - prior_mean
        quadratic = np.einsum("ni,ij,nj->n", apart, np.linalg.inv(covariance), apart)
        logs.append(likelihood - quadratic / 2 - np.linalg.slogdet(covariance)[1] / 2)
    total = logsumexp(np.array(logs), axis=0)
    weights = np.exp(total - total.max())
    return weights @ grid / weights.sum()


def expectation(mean, variance, function):
    if variance == 0:
        return function(mean)
    deviation = np.sqrt(variance)
    density = lambda z: np.exp(-z * z / 2) / np.sqrt(2 * np.pi)
    return quad(lambda z: density(z) * function(mean + deviation * z), -9, 9, epsabs=1e-12, epsrel=1e-12, limit=500)[0]


def entropy(p):
    return sum(-q * np.log(q) for q in (p, 1 - p) if q > 0)


def case(name, choices, d, prior_mean=None, prior_covariance=None, exact=False):
    prior_mean = np.zeros(d) if prior_mean is None else np.array(prior_mean)
    prior_covariance = np.eye(d) if prior_covariance is None else np.array(prior_covariance)
    every = np.array([difference for choice in choices for difference in differences(choice)])
    scale = np.sqrt((every**2).sum(0) / 2 / len(every))
    scale[scale == 0] = 1.0
    rows = [contrasts(choice, scale) for choice in choices]
    fits = [laplace(rows, *theta_prior(prior_mean, prior_covariance, width)) for width in WIDTHS]
    evidence = np.array([fit[2] for fit in fits])
    shares = np.exp(evidence - logsumexp(evidence))
    mean = sum(share * fit[0][:d] for share, fit in zip(shares, fits))
    covariance = sum(share * (fit[1][:d, :d] + np.outer(fit[0][:d] - mean, fit[0][:d] - mean)) for share, fit in zip(shares, fits))
    one, other = [np.round(RANDOM.normal(size=d) * scale * 2, 6) for _ in range(2)]
    x = (one - other) / scale
    m, v = x @ mean, x @ covariance @ x
    predicted = expectation(m, v, expit)
    values, vectors = np.linalg.eigh(covariance)
    least = vectors[:, -1] * np.sign(vectors[np.abs(vectors[:, -1]).argmax(), -1])
    result = {
        "name": name, "dimensions": d, "choices": choices,
        "prior": {"mean": prior_mean.tolist(), "covariance": prior_covariance.tolist()},
        "scale": scale.tolist(), "mean": mean.tolist(), "covariance": covariance.tolist(), "width": float(np.exp(shares @ np.log(WIDTHS))),
        "alignment": float(np.sqrt(mean @ mean / (mean @ mean + np.trace(covariance)))),
        "pair": [one.tolist(), other.tolist()], "probability": predicted,
        "information": entropy(predicted) - expectation(m, v, lambda a: entropy(expit(a))),
        "least_certain": least.tolist(),
    }
    if exact:
        result["exact_mean"] = exact_mean(rows, prior_mean, prior_covariance).tolist()
    print(json.dumps(result))


def drawn(d, count, norm, kinds=("best",), spread=1.0, others=1):
    """Choices by hidden weights of this norm."""
    w = RANDOM.normal(size=d)
    w *= norm / np.linalg.norm(w)
    units = spread ** np.arange(d)
    choices = []
    for at in range(count):
        kind = kinds[at % len(kinds)]
        answers = [np.round(RANDOM.normal(size=d) * units, 4) for _ in range(1 + others)]
        utility = np.array([answer / units @ w for answer in answers])
        if kind == "verdict":
            approved = bool(RANDOM.random() < expit(utility[0] - utility[1] + 0.7))
            choices.append({"kind": kind, "answer": answers[0].tolist(), "typical": answers[1].tolist(), "approved": approved})
            continue
        sign = 1 if kind == "best" else -1
        p = np.exp(sign * utility - logsumexp(sign * utility))
        picked = int(RANDOM.choice(len(answers), p=p))
        rest = [answer.tolist() for index, answer in enumerate(answers) if index != picked]
        choices.append({"kind": kind, "chosen" if kind == "best" else "rejected": answers[picked].tolist(), "others": rest})
    return choices


RANDOM = np.random.default_rng(16)
case("one choice", drawn(1, 1, 2.0), 1)
case("two dimensions", drawn(2, 12, 2.0), 2, exact=True)
case("two dimensions, many choices", drawn(2, 60, 1.0), 2, exact=True)
case("four dimensions of unequal units", drawn(4, 20, 2.0, spread=10.0), 4)
case("three answers, the best or the worst", drawn(3, 15, 2.0, ("best", "worst"), others=2), 3)
case("verdicts among choices", drawn(4, 18, 4.0, ("best", "verdict", "verdict")), 4)
case("verdicts alone", drawn(2, 9, 1.0, ("verdict",)), 2)
case("a prior of other users", drawn(2, 5, 2.0), 2, [1.0, -0.5], [[0.6, 0.2], [0.2, 0.9]], exact=True)
case("thirteen dimensions", drawn(13, 30, 4.0), 13)
