/* Trees: a split sends a row to `yes` when its value is at most the threshold; children below 0 are leaves, -1 the first. */

typedef struct {
    double threshold;
    int32_t yes, no, feature;
    uint8_t null_yes;
} split;

typedef struct {
    double value;
    int32_t output;
} leaf;

static void add_trees(int trees, const int32_t *roots, const split *splits, const leaf *leaves, const double *x, double *out)
{
    for (int tree = 0; tree < trees; tree++) {
        int32_t at = roots[tree];
        while (at >= 0) {
            const split *here = &splits[at];
            const double value = x[here->feature];
            at = (isnan(value) ? here->null_yes : value <= here->threshold) ? here->yes : here->no;
        }
        out[leaves[-at - 1].output] += leaves[-at - 1].value;
    }
}
