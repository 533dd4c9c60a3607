/* Checks on the device that the model answers as it does where it was made. Build it together with model.c: see README.md. */

#include "model.h"

#include <math.h>
#include <stdio.h>

#define ROWS @ROWS@
#define TOLERANCE @TOLERANCE@

@TABLES@

/* Absolute up to 1 and relative beyond; 0 where both are NaN or the same. */
static double difference(double got, double wanted)
{
    if (got == wanted || (isnan(got) && isnan(wanted)))
        return 0.0;
    const double off = fabs(got - wanted) / fmax(1.0, fabs(wanted));
    return isfinite(off) ? off : HUGE_VAL;
}

int main(void)
{
    double largest = 0.0;
    int flips = 0, refused = 0;
    for (int row = 0; row < ROWS; row++) {
        model_answer answer;
        model_problem problem;
        if (model_predict(CELLS[row], &answer, &problem)) {
            printf("row %d is refused: input %s, allowed: %s\n", row, problem.name, problem.allowed);
            refused++;
            continue;
        }
        for (int i = 0; i < MODEL_SCORES; i++)
            largest = fmax(largest, difference(answer.scores[i], WANTED[row][i]));
@CHECKS@    }
    printf("%d rows, largest difference %g, %d decided otherwise, %d refused\n", ROWS, largest, flips, refused);
    return flips > 0 || refused > 0 || !(largest <= TOLERANCE);
}
