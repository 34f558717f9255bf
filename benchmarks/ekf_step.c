/* The peer of `sharedsky bench`: one EKF step for a batch of tracks, vectorised by hand.
 *
 * The same work as ext.kalman.ekf_step: RK4 with J2 and rotation, transition I + Ah + A²h²/2 at the third
 * stage, P <- Φ P Φᵀ + Q, sequential range-azimuth-elevation update linearised once. Explicit vectors of the
 * machine's own width throughout; upper triangles only; Coriolis terms by hand. Compiled by fusion.bench for the
 * instruction set in use. Not part of the product.
 */
#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#if defined(__AVX512F__)
#define WIDTH 8
#elif defined(__AVX2__)
#define WIDTH 4
#else
#define WIDTH 2
#endif

typedef double v __attribute__((vector_size(WIDTH * 8)));
typedef int64_t m __attribute__((vector_size(WIDTH * 8)));
#define UNROLL _Pragma("GCC unroll 8")

static const double GM = 3.986004418e14, A = 6378137.0, J2 = 1.08262982e-3, W = 7.292115e-5;

static inline v splat(double a) { return a - (v){}; }
static inline v pick(m mask, v a, v b) { return (v)((mask & (m)a) | (~mask & (m)b)); }

static inline v root(v a)
{
#if WIDTH == 8
    return _mm512_sqrt_pd(a);
#elif WIDTH == 4
    return _mm256_sqrt_pd(a);
#else
    return _mm_sqrt_pd(a);
#endif
}

static inline v angle(v y, v x) /* atan2 */
{
    const v zero = splat(0), ay = pick(y < zero, -y, y), ax = pick(x < zero, -x, x);
    const m less = ay < ax;
    const v small = pick(less, ay, ax), large = pick(less, ax, ay);
    const m steep = small > 0.41421356237309503 * large;
    const v t = pick(steep, small - large, small) / pick(steep, small + large, large), z = t * t, w = z * z;
    const v odd = z * (3.33333333333329318027e-01 + w * (1.42857142725034663711e-01 + w * (9.09088713343650656196e-02
        + w * (6.66107313738753120669e-02 + w * (4.97687799461593236017e-02 + w * 1.62858201153657823623e-02)))));
    const v even = w * (-1.99999999998764832476e-01 + w * (-1.11111104054623557880e-01 + w * (-7.69187620504482999495e-02
        + w * (-5.83357013379057348645e-02 + w * -3.65315727442169155270e-02))));
    v a = pick(steep, splat(7.85398163397448278999e-01), zero)
        - ((t * (odd + even) - pick(steep, splat(3.06161699786838301793e-17), zero)) - t);
    a = pick(ay > ax, 1.57079632679489655800 - a, a);
    a = pick(x < zero, 3.14159265358979311600 - a, a);
    return pick(y < zero, -a, a);
}

static inline void accelerate(const v x[6], v a[3])
{
    const v r2 = x[0] * x[0] + x[1] * x[1] + x[2] * x[2], u = GM / (r2 * root(r2)), k = 1.5 * J2 * A * A / r2;
    const v s2 = x[2] * x[2] / r2, d = W * W - u * (1.0 + k * (1.0 - 5.0 * s2));
    a[0] = d * x[0] + 2.0 * W * x[4];
    a[1] = d * x[1] - 2.0 * W * x[3];
    a[2] = -u * (1.0 + k * (3.0 - 5.0 * s2)) * x[2];
}

static inline void transition(const v x[6], double h, v phi[6][6])
{
    const v r2 = x[0] * x[0] + x[1] * x[1] + x[2] * x[2], u = GM / (r2 * root(r2)), k = 1.5 * J2 * A * A / r2;
    const v s2 = x[2] * x[2] / r2, f = W * W - u * (1.0 + k * (1.0 - 5.0 * s2));
    const v p = u * (3.0 + 5.0 * k - 35.0 * k * s2) / r2, q = u * (3.0 + 15.0 * k - 35.0 * k * s2) / r2;
    const v xy = p * x[0] * x[1], xz = q * x[0] * x[2], yz = q * x[1] * x[2];
    const v g[3][3] = {
        {f + p * x[0] * x[0], xy, xz},
        {xy, f + p * x[1] * x[1], yz},
        {xz, yz, u * (s2 * (3.0 + 25.0 * k - 35.0 * k * s2) - 1.0 - k * (3.0 - 5.0 * s2))}};
    const double c = 2.0 * W, half = 0.5 * h * h;
    UNROLL for (int i = 0; i < 3; i++) UNROLL for (int j = 0; j < 3; j++) {
        const double one = i == j, spin = i == 0 && j == 1 ? c : i == 1 && j == 0 ? -c : 0.0;
        phi[i][j] = one + half * g[i][j];
        phi[i][j + 3] = splat(one * h + half * spin);
        phi[i + 3][j] = h * g[i][j] + (i == 0 ? half * c * g[1][j] : i == 1 ? -half * c * g[0][j] : splat(0));
        phi[i + 3][j + 3] = one + h * spin + half * (g[i][j] - (i == j && i < 2 ? c * c : 0.0));
    }
}

static inline void predict(v x[6], v p[6][6], double h, double q)
{
    v a1[3], a2[3], a3[3], a4[3], s[6], n[6], e[6], phi[6][6], t[6][6];
    accelerate(x, a1);
    UNROLL for (int i = 0; i < 3; i++) s[i] = x[i] + 0.5 * h * x[i + 3], s[i + 3] = x[i + 3] + 0.5 * h * a1[i];
    accelerate(s, a2);
    UNROLL for (int i = 0; i < 3; i++) n[i] = x[i] + 0.5 * h * s[i + 3], n[i + 3] = x[i + 3] + 0.5 * h * a2[i];
    accelerate(n, a3);
    UNROLL for (int i = 0; i < 3; i++) e[i] = x[i] + h * n[i + 3], e[i + 3] = x[i + 3] + h * a3[i];
    accelerate(e, a4);
    transition(n, h, phi);
    UNROLL for (int i = 0; i < 3; i++) {
        x[i] += h / 6.0 * (x[i + 3] + 2.0 * (s[i + 3] + n[i + 3]) + e[i + 3]);
        x[i + 3] += h / 6.0 * (a1[i] + 2.0 * (a2[i] + a3[i]) + a4[i]);
    }
    UNROLL for (int i = 0; i < 6; i++) UNROLL for (int j = 0; j < 6; j++) {
        t[i][j] = phi[i][0] * p[0][j];
        UNROLL for (int k = 1; k < 6; k++) t[i][j] += phi[i][k] * p[k < j ? k : j][k < j ? j : k];
    }
    UNROLL for (int i = 0; i < 6; i++) UNROLL for (int j = i; j < 6; j++) {
        v sum = t[i][0] * phi[j][0];
        UNROLL for (int k = 1; k < 6; k++) sum += t[i][k] * phi[j][k];
        p[i][j] = sum + (i == j ? (i < 3 ? q * h * h * h / 3.0 : q * h) : i + 3 == j ? 0.5 * q * h * h : 0.0);
    }
}

static inline void update(v x[6], v p[6][6], const v z[3], const double sigma[3], const double site[3], const double b[9])
{
    const v dx = x[0] - site[0], dy = x[1] - site[1], dz = x[2] - site[2];
    const v e = b[0] * dx + b[1] * dy + b[2] * dz, n = b[3] * dx + b[4] * dy + b[5] * dz;
    const v u = b[6] * dx + b[7] * dy + b[8] * dz, g2 = e * e + n * n, r2 = g2 + u * u, g = root(g2), r = root(r2);
    const v an = n / g2, ae = e / g2, ue = -e * u / (r2 * g), un = -n * u / (r2 * g), uu = g / r2;
    v row[3][3] = {{dx / r, dy / r, dz / r}}, nu[3] = {z[0] - r, z[1] - angle(e, n), z[2] - angle(u, g)}, moved[6];
    UNROLL for (int i = 0; i < 3; i++) {
        row[1][i] = an * b[i] - ae * b[3 + i];
        row[2][i] = ue * b[i] + un * b[3 + i] + uu * b[6 + i];
    }
    nu[1] = pick(nu[1] > splat(3.141592653589793), nu[1] - 6.283185307179586, nu[1]);
    nu[1] = pick(nu[1] < splat(-3.141592653589793), nu[1] + 6.283185307179586, nu[1]);
    UNROLL for (int i = 0; i < 6; i++) moved[i] = splat(0);
    UNROLL for (int k = 0; k < 3; k++) {
        v c[6], gain[6];
        UNROLL for (int i = 0; i < 6; i++)
            c[i] = p[0][i] * row[k][0] + (i < 1 ? p[i][1] : p[1][i]) * row[k][1] + (i < 2 ? p[i][2] : p[2][i]) * row[k][2];
        const v s = row[k][0] * c[0] + row[k][1] * c[1] + row[k][2] * c[2] + sigma[k] * sigma[k], inverse = 1.0 / s;
        const v residual = nu[k] - (row[k][0] * moved[0] + row[k][1] * moved[1] + row[k][2] * moved[2]);
        UNROLL for (int i = 0; i < 6; i++) gain[i] = c[i] * inverse, moved[i] += gain[i] * residual;
        UNROLL for (int i = 0; i < 6; i++) UNROLL for (int j = i; j < 6; j++) p[i][j] -= gain[i] * c[j];
    }
    UNROLL for (int i = 0; i < 6; i++) x[i] += moved[i];
}

/* x (blocks, 6, 8), p (blocks, 36, 8), z (blocks, 3, 8), as ext.kalman.ekf_step. */
void ekf_step(int blocks, double *x, double *p, const double *z, const double *sigma, const double *site,
              const double *enu, double h, double q)
{
    for (int lane = 0; lane < blocks * 8; lane += WIDTH) {
        double *const xl = x + lane / 8 * 48 + lane % 8, *const pl = p + lane / 8 * 288 + lane % 8;
        const double *const zl = z + lane / 8 * 24 + lane % 8;
        v state[6], cov[6][6], plot[3];
        UNROLL for (int i = 0; i < 6; i++) memcpy(&state[i], xl + i * 8, sizeof(v));
        UNROLL for (int i = 0; i < 3; i++) memcpy(&plot[i], zl + i * 8, sizeof(v));
        UNROLL for (int i = 0; i < 6; i++) UNROLL for (int j = i; j < 6; j++)
            memcpy(&cov[i][j], pl + (i * 6 + j) * 8, sizeof(v));
        predict(state, cov, h, q);
        update(state, cov, plot, sigma, site, enu);
        UNROLL for (int i = 0; i < 6; i++) memcpy(xl + i * 8, &state[i], sizeof(v));
        UNROLL for (int i = 0; i < 6; i++) UNROLL for (int j = i; j < 6; j++) {
            memcpy(pl + (i * 6 + j) * 8, &cov[i][j], sizeof(v));
            memcpy(pl + (j * 6 + i) * 8, &cov[i][j], sizeof(v));
        }
    }
}
