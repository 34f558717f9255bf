/* WGS-84 (NIMA TR8350.2) and its EGM-96 J2; the constants of every kernel. */
#ifndef SHAREDSKY_EARTH_H
#define SHAREDSKY_EARTH_H

#define EARTH_GM 3.986004418e14          /* m^3/s^2 */
#define EARTH_A 6378137.0                /* m */
#define EARTH_F (1.0 / 298.257223563)
#define EARTH_E2 (EARTH_F * (2.0 - EARTH_F))
#define EARTH_J2 1.08262982e-3
#define EARTH_OMEGA 7.292115e-5          /* rad/s */

#endif
