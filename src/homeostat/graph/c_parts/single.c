/* The nearest float. It is volatile because gcc 12 drops the rounding where it turns a loop of it into vector instructions. */
static double single(double x)
{
    volatile float nearest = (float)x;
    return nearest;
}
