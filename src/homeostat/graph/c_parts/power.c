/* The Yeo-Johnson transform. */
static double yeo_johnson(double x, double lambda)
{
    const double base = 1.0 + fabs(x), power = x >= 0.0 ? lambda : 2.0 - lambda;
    const double grown = power == 0.0 ? log(base) : (pow(base, power) - 1.0) / power;
    return x >= 0.0 ? grown : -grown;
}
