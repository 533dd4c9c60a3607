static double sigmoid(double x)
{
    const double small = exp(-fabs(x)); /* never overflows */
    return (x >= 0.0 ? 1.0 : small) / (1.0 + small);
}
