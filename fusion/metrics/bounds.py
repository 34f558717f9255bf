"""How well could anybody have known? Cramér–Rao bounds of tracking, as Fisher information matrices.

- `pcrlb`: random truths (process noise, a prior): the posterior bound, recursive
- `trajectory_crlb`: one fixed truth, no process noise, unknown constant sensor biases as nuisance
- `information_reduction`: what a missed detection or clutter leaves of a measurement's information
- `fisher`: the information of one measurement; `bound` turns information into a bound on the covariance

Everything is evaluated at the truth: the caller gives Jacobians there. Bounds hold for the mean squared error
of estimators without bias; an information matrix may be singular as long as the state is not observable.
"""

import numpy as np
import numpy.typing as npt
from scipy.special import gamma

Floats = npt.NDArray[np.float64]

_RADII = 200
_LOG_STEP = 0.05


def fisher(jacobians: npt.ArrayLike, covariance: npt.ArrayLike) -> Floats:
    """Information Hᵀ R⁻¹ H (..., d, d) about the state, of measurements with Jacobian H (..., k, d) and
    Gaussian noise R, (k, k) or (..., k, k)."""
    h, r = np.asarray(jacobians, np.float64), np.asarray(covariance, np.float64)
    return np.asarray(
        np.swapaxes(h, -1, -2) @ np.linalg.solve(np.broadcast_to(r, (*h.shape[:-1], r.shape[-1])), h)
    )


def bound(information: npt.ArrayLike) -> Floats:
    """The inverse (..., d, d) of information matrices, each scaled by its diagonal first.

    A matrix that is singular (to 1e-13 of its scaled eigenvalues) bounds nothing: inf on its diagonal, NaN
    elsewhere.
    """
    j = np.asarray(information, np.float64)
    scale = np.sqrt(np.maximum(np.diagonal(j, axis1=-2, axis2=-1), 0.0))
    scale = np.where(scale > 0, scale, 1.0)
    scaled = j / (scale[..., :, None] * scale[..., None, :])
    values, vectors = np.linalg.eigh((scaled + np.swapaxes(scaled, -1, -2)) / 2)
    poor = values[..., 0] <= 1e-13 * values[..., -1]
    values = np.where(poor[..., None], 1.0, values)
    inverse = (vectors / values[..., None, :]) @ np.swapaxes(vectors, -1, -2)
    inverse = inverse / (scale[..., :, None] * scale[..., None, :])
    nothing = np.where(np.eye(j.shape[-1], dtype=bool), np.inf, np.nan)
    return np.where(poor[..., None, None], nothing, inverse)


def pcrlb(
    prior: npt.ArrayLike, transitions: npt.ArrayLike, noise: npt.ArrayLike, informations: npt.ArrayLike
) -> Floats:
    """Posterior information J_k (K + 1, d, d) about the state at each time, from additive-noise models.

    prior
        Information before the first measurement, (d, d); may be singular or zero where `noise` is regular.
    transitions
        Jacobians F_k of x_k+1 = f(x_k) + w_k at the truth: (K, d, d), or (K, m, d, d) over m sampled truths.
    noise
        Covariance Q of w, (d, d) or (K, d, d). May be singular: the random part of F_k must then lie in its
        range (what is moved without noise is moved by a constant matrix), and the prior must be regular.
    informations
        Of the measurements at each time, `fisher` at the truth: (K + 1, d, d) or (K + 1, m, d, d); zero
        where nothing is measured, times `information_reduction` where detection is uncertain.

    With C = E[F̃ᵀ Q⁺ F̃], F̃ = F − E[F], both forms of the recursion are the same by Woodbury's identity:
    J_k+1 = Q⁻¹ − Q⁻¹ E[F] (J_k + C + E[F]ᵀ Q⁻¹ E[F])⁻¹ E[F]ᵀ Q⁻¹ + E[HᵀR⁻¹H]
          = (Q + E[F] (J_k + C)⁻¹ E[F]ᵀ)⁻¹ + E[HᵀR⁻¹H].
    Raises ValueError for wrong shapes.

    Tichavský, Muravchik, Nehorai: Posterior Cramér–Rao bounds for discrete-time nonlinear filtering, IEEE
    Trans. Signal Processing 46(5), 1998, equations 21 and 34–36; for singular Q their section V.
    """
    j = np.asarray(prior, np.float64)
    measured = _mean(informations)
    steps = np.asarray(transitions, np.float64)
    steps = steps[:, None] if steps.ndim == 3 else steps
    count, size = len(steps), len(j)
    if steps.shape[2:] != (size, size) or measured.shape != (count + 1, size, size):
        raise ValueError(
            f"{count} transitions of {steps.shape[2:]} and informations {measured.shape} do not fit"
        )
    noises = np.broadcast_to(np.asarray(noise, np.float64), (count, size, size))
    found = [j + measured[0]]
    for f, q, gained in zip(steps, noises, measured[1:], strict=True):
        found.append(_predicted(found[-1], f, q) + gained)
    return np.array(found)


def _mean(informations: npt.ArrayLike) -> Floats:
    values = np.asarray(informations, np.float64)
    return values.mean(axis=1) if values.ndim == 4 else values


def _predicted(j: Floats, f: Floats, q: Floats) -> Floats:
    """The information about the next state before its measurement; `f` is (m, d, d)."""
    middle = f.mean(axis=0)
    deviation = f - middle
    regular = np.linalg.matrix_rank(_scaled(q), hermitian=True) == len(q)
    weight = np.linalg.inv(q) if regular else np.linalg.pinv(q, hermitian=True)
    spread = np.einsum("mji,jk,mkl->il", deviation, weight, deviation) / len(f)
    if not regular:
        return np.linalg.inv(q + middle @ np.linalg.inv(j + spread) @ middle.T)
    cross = weight @ middle
    return weight - cross @ np.linalg.solve(j + spread + middle.T @ cross, cross.T)


def _scaled(q: Floats) -> Floats:
    scale = np.sqrt(np.where(np.diagonal(q) > 0, np.diagonal(q), 1.0))
    return np.asarray(q / np.outer(scale, scale))


def trajectory_crlb(
    transitions: npt.ArrayLike,
    jacobians: npt.ArrayLike,
    covariance: npt.ArrayLike,
    *,
    weights: npt.ArrayLike = 1.0,
    prior: npt.ArrayLike | None = None,
    by_bias: npt.ArrayLike | None = None,
    bias_covariance: npt.ArrayLike | None = None,
) -> Floats:
    """Information (K + 1, d, d) about the state at each time, of one trajectory that is not random.

    `transitions` (K, d, d) are ∂x_k+1/∂x_k and `jacobians` (K + 1, nz, d) ∂z_k/∂x_k at the truth;
    `covariance` (nz, nz) or (K + 1, nz, nz) is the noise R; `weights` (K + 1,), or one for all, scale the
    information of each time (0 without a measurement; `information_reduction` under uncertain detection);
    `prior` (d, d) is information about the first state.

    `by_bias` (K + 1, nz, p) is ∂z_k/∂b for p constant biases b, of one or several sensors. They are estimated
    with the state and taken out again (Schur complement), as nuisance: drawn from N(0, `bias_covariance`)
    (p, p), or entirely unknown when that is None. Raises ValueError for shapes that do not fit.

    J_k+1 = F⁻ᵀ J_k F⁻¹ + Hᵀ R⁻¹ H with Q = 0: Taylor, The Cramér–Rao estimation error lower bound computation
    for deterministic nonlinear systems, IEEE Trans. Automatic Control 24(2), 1979; nuisance parameters: Van
    Trees, Detection, Estimation, and Modulation Theory, part I, 1968, section 2.4.
    """
    f, h = np.asarray(transitions, np.float64), np.asarray(jacobians, np.float64)
    size = h.shape[-1]
    b = np.zeros((*h.shape[:2], 0)) if by_bias is None else np.asarray(by_bias, np.float64)
    if f.shape != (len(h) - 1, size, size) or b.shape[:2] != h.shape[:2]:
        raise ValueError(f"transitions {f.shape}, jacobians {h.shape} and by_bias {b.shape} do not fit")
    whole = size + b.shape[-1]
    gained = fisher(np.concatenate((h, b), axis=-1), covariance)
    gained = gained * np.broadcast_to(np.asarray(weights, np.float64), (len(h),))[:, None, None]
    j = np.zeros((whole, whole))
    if prior is not None:
        j[:size, :size] = prior
    if bias_covariance is not None:
        j[size:, size:] = np.linalg.inv(np.asarray(bias_covariance, np.float64))
    found = [j + gained[0]]
    back = np.eye(whole)
    for step, new in zip(f, gained[1:], strict=True):
        back[:size, :size] = np.linalg.inv(step)
        found.append(back.T @ found[-1] @ back + new)
    return np.array([_without(j, size) for j in found])


def _without(j: Floats, size: int) -> Floats:
    """Information about the first `size` parameters when the others are unknown too."""
    if len(j) == size:
        return j
    rest = np.linalg.pinv(j[size:, size:], hermitian=True)
    return np.asarray(j[:size, :size] - j[:size, size:] @ rest @ j[size:, :size])


def information_reduction(
    dimension: int, pd: float, clutter: float = 0.0, *, gate_sigma: float = 6.0
) -> float:
    """The factor q₂ in [0, pd] by which missed detections and clutter reduce a measurement's information.

    A Gaussian measurement of `dimension` components is detected with probability `pd`, among uniform Poisson
    clutter of `clutter` false plots per volume |R|^½ (the product of the sigmas, where R is diagonal), inside
    a sphere of `gate_sigma` standard deviations. The information of the whole set is q₂ HᵀR⁻¹H; without
    clutter q₂ is pd (times the gate's truncation). Raises ValueError for values out of range.

    The score of the set is Σ aᵢuᵢ / (1 − P + Σ aᵢ) with aᵢ = (pd/λ) φ(uᵢ), u the whitened errors. Its
    variance is worked out here without a sum over the number of plots: Mecke's formula takes one plot out of
    the Poisson process, 1/x = ∫ e^(−sx) ds and the process's Laplace functional do the rest, and
    q₂ = (pd/n) ∫ dt exp(−t λ(1 − P)/pd − λ ∫ (1 − e^(−tφ)) du) ∫ φ² |u|² e^(−tφ) du.

    The factor: Niu, Willett, Bar-Shalom, Matrix CRLB scaling due to measurements of uncertain origin, IEEE
    Trans. Signal Processing 49(7), 2001; a scalar for every R: Bar-Shalom et al., Simplification of the
    dynamic Cramér–Rao bound for target tracking in clutter, 2011; its use in the posterior bound: Hernandez,
    Farina, Ristic, PCRLB for tracking in cluttered environments, IEEE Trans. AES 42(2), 2006.
    """
    if dimension < 1 or not 0 <= pd <= 1 or not clutter >= 0 or not 0 < gate_sigma <= 8:
        raise ValueError(f"dimension {dimension}, pd {pd}, clutter {clutter}, gate_sigma {gate_sigma}")
    if pd == 0:
        return 0.0
    nodes, node_weights = np.polynomial.legendre.leggauss(_RADII)
    radius = gate_sigma * (nodes + 1) / 2
    sphere = 2 * np.pi ** (dimension / 2) / gamma(dimension / 2) * radius ** (dimension - 1)
    volume = sphere * node_weights * gate_sigma / 2
    density = (2 * np.pi) ** (-dimension / 2) * np.exp(-radius * radius / 2)
    missed = 1 - pd * float(np.sum(volume * density))
    # The integrand is smooth in ln t and falls doubly exponentially on both sides: the trapezoidal rule.
    t = np.exp(np.arange(np.log(1e-9 / density[0]), np.log(60 / density[-1]), _LOG_STEP))
    fading = np.exp(-np.multiply.outer(t, density))
    alone = np.exp(-clutter * (t * missed / pd + (1 - fading) @ volume))
    gained = fading @ (volume * (density * radius) ** 2)
    return float(pd / dimension * np.sum(t * alone * gained) * _LOG_STEP)
