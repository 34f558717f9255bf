"""exp, log, sine with cosine, and arc tangent by + - * / only: the same bytes everywhere, within 2 ulp.

Polynomials and reductions: FDLIBM (Sun Microsystems, 1993), here without branches, so that they vectorise.
"""

from libc.stdint cimport uint64_t

from ext.lanes cimport bits_of, double_of


cdef inline double wrap(double angle) noexcept nogil:
    """An angle of (-3π, 3π) brought into [-π, π] by one turn at most."""
    cdef double turn = 6.283185307179586477
    cdef double down = angle - turn if angle > 3.141592653589793 else angle
    return down + turn if down < -3.141592653589793 else down


cdef inline double c_exp(double x) noexcept nogil:
    """e to the x; x beyond [-708, 709] counts as the end that it passes."""
    cdef double above = x if x > -708.0 else -708.0
    cdef double inside = above if above < 709.0 else 709.0
    cdef double shifted = inside * 1.44269504088896338700 + 6755399441055744.0
    cdef double k = shifted - 6755399441055744.0
    cdef double high = inside - k * 6.93147180369123816490e-01
    cdef double low = k * 1.90821492927058770002e-10
    cdef double r = high - low
    cdef double t = r * r
    cdef double c = r - t * (1.66666666666666019037e-01 + t * (-2.77777777770155933842e-03 + t * (
        6.61375632143793436117e-05 + t * (-1.65339022054652515390e-06 + t * 4.13813679705723846039e-08))))
    cdef double y = 1.0 - ((low - r * c / (2.0 - c)) - high)
    return y * double_of((bits_of(shifted) << 52) + (<uint64_t>1023 << 52))


cdef inline double c_log(double x) noexcept nogil:
    """Natural logarithm of a normal positive x."""
    cdef uint64_t bits = bits_of(x)
    cdef uint64_t k = (bits - <uint64_t>0x3FE6A09E00000000 + (<uint64_t>1024 << 52)) >> 52  # exponent + 1024
    cdef double exponent = double_of(k | <uint64_t>0x4330000000000000) - 4503599627371520.0
    cdef double f = double_of(bits - ((k - 1024) << 52)) - 1.0
    cdef double s = f / (2.0 + f)
    cdef double z = s * s
    cdef double w = z * z
    cdef double r = w * (3.999999999940941908e-01 + w * (
        2.222219843214978396e-01 + w * 1.531383769920937332e-01)) \
        + z * (6.666666666666735130e-01 + w * (2.857142874366239149e-01 + w * (
            1.818357216161805012e-01 + w * 1.479819860511658591e-01)))
    cdef double half = 0.5 * f * f
    return exponent * 6.93147180369123816490e-01 - (
        (half - (s * (half + r) + exponent * 1.90821492927058770002e-10)) - f)


cdef inline double c_atan2(double y, double x) noexcept nogil:
    """Angle of (x, y) in [-π, π]; 0 at the origin; the sign of a zero does not count."""
    cdef double ay = y if y > 0.0 else 0.0 - y
    cdef double ax = x if x > 0.0 else 0.0 - x
    cdef double small = ay if ay < ax else ax
    cdef double large = ax if ay < ax else ay
    large = large if large > 0.0 else 1.0
    cdef bint steep = small > 0.41421356237309503 * large  # beyond π/8: around π/4
    cdef double top = small - large if steep else small
    cdef double bottom = small + large if steep else large
    cdef double t = top / bottom
    cdef double z = t * t
    cdef double w = z * z
    cdef double odd = z * (3.33333333333329318027e-01 + w * (1.42857142725034663711e-01 + w * (
        9.09088713343650656196e-02 + w * (6.66107313738753120669e-02 + w * (
            4.97687799461593236017e-02 + w * 1.62858201153657823623e-02)))))
    cdef double even = w * (-1.99999999998764832476e-01 + w * (-1.11111104054623557880e-01 + w * (
        -7.69187620504482999495e-02 + w * (-5.83357013379057348645e-02 + w * -3.65315727442169155270e-02))))
    cdef double high = 7.85398163397448278999e-01 if steep else 0.0
    cdef double low = 3.06161699786838301793e-17 if steep else 0.0
    cdef double angle = high - ((t * (odd + even) - low) - t)
    angle = 1.57079632679489655800e+00 - (angle - 6.12323399573676603587e-17) if ay > ax else angle
    angle = 3.14159265358979311600e+00 - (angle - 1.22464679914735320717e-16) if x < 0.0 else angle
    return 0.0 - angle if y < 0.0 else angle


cdef inline void c_sincos(double x, double *sine, double *cosine) noexcept nogil:
    """Sine and cosine of |x| < 2**19."""
    cdef double shifted = x * 6.36619772367581382433e-01 + 6755399441055744.0
    cdef double k = shifted - 6755399441055744.0
    cdef uint64_t quadrant = bits_of(shifted) & 3
    cdef double r0 = x - k * 1.57079632673412561417e+00
    cdef double w0 = k * 6.07710050630396597660e-11
    cdef double r = r0 - w0
    cdef double w = k * 2.02226624879595063154e-21 - ((r0 - r) - w0)
    cdef double y = r - w
    cdef double tail = (r - y) - w
    cdef double z = y * y
    cdef double v = z * y
    cdef double s = y - ((z * (0.5 * tail - v * (8.33333333332248946124e-03 + z * (
        -1.98412698298579493134e-04 + z * (2.75573137070700676789e-06 + z * (
            -2.50507602534068634195e-08 + z * 1.58969099521155010221e-10))))) - tail)
        - v * -1.66666666666666324348e-01)
    cdef double p = z * (4.16666666666666019037e-02 + z * (-1.38888888888741095749e-03 + z * (
        2.48015872894767294178e-05 + z * (-2.75573143513906633035e-07 + z * (
            2.08757232129817482790e-09 + z * -1.13596475577881948265e-11)))))
    cdef double half = 0.5 * z
    cdef double one = 1.0 - half
    cdef double c = one + (((1.0 - one) - half) + (z * p - y * tail))
    cdef double first = c if quadrant & 1 else s
    cdef double second = s if quadrant & 1 else c
    sine[0] = 0.0 - first if quadrant & 2 else first
    cosine[0] = 0.0 - second if (quadrant + 1) & 2 else second
