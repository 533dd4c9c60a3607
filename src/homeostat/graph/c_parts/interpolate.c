/* A line through known points: flat beyond the ends, NaN for NaN. */
static double interpolate(double value, int points, const double *x, const double *y, const double *slopes)
{
    int low = 0, high = points - 1; /* the last point at or below the value */
    const double inside = value < x[0] ? x[0] : value > x[points - 1] ? x[points - 1] : value;
    while (low < high) {
        const int middle = low + (high - low + 1) / 2;
        if (inside < x[middle])
            high = middle - 1;
        else
            low = middle;
    }
    return y[low] + slopes[low] * (inside - x[low]);
}
