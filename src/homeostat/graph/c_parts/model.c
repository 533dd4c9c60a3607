/* @ABOUT@ */
#include "model.h"

#include <math.h>
#include <string.h>

#if defined(__FAST_MATH__)
#error "without NaN there is no null: compile without -ffast-math"
#endif

#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#endif

@PARTS@

@TABLES@

typedef enum { NUMBER, BOOLEAN, TIMESTAMP, CATEGORY, TEXT } input_kind;

typedef struct {
    input_kind kind;
    int place; /* the column it is read to */
    const vocabulary *known;
} input;

static const char *const ALLOWED[] = {
@ALLOWED@
};

static const input READ[MODEL_INPUTS] = {
@READ@
};

const char *const model_input_names[MODEL_INPUTS] = {
@NAMES@
};
@CLASSES@
static int refuse(int place, const char *name, const char *allowed, model_problem *problem)
{
    problem->input = place;
    problem->name = name;
    problem->allowed = allowed;
    return 1;
}

static int read_value(const input *one, const model_value *value, double *numbers, int *codes, double *terms)
{
    switch (one->kind) {
    case NUMBER:
        return read_number(value, numbers + one->place);
    case BOOLEAN:
        return read_boolean(value, numbers + one->place);
    case TIMESTAMP:
        return read_timestamp(value, numbers + one->place);
    case CATEGORY:
        return read_category(one->known, value, codes + one->place);
    default:
        return @READ_TEXT@;
    }
}

static void compute(const double *numbers, const int *codes, const double *terms, model_answer *answer)
{
    (void)numbers;
    (void)codes;
    (void)terms;
@STEPS@
}

int model_predict(const model_value row[MODEL_INPUTS], model_answer *answer, model_problem *problem)
{
    double numbers[@NUMBERS@], terms[@TERMS@];
    int codes[@CODES@];
    model_answer found;
    for (int i = 0; i < MODEL_INPUTS; i++) {
        if (!read_value(&READ[i], &row[i], numbers, codes, terms))
            return refuse(i, model_input_names[i], ALLOWED[READ[i].kind], problem);
    }
    compute(numbers, codes, terms, &found);
    for (int i = 0; i < MODEL_SCORES; i++) {
        if (!isfinite(found.scores[i]))
            return refuse(-1, "", "numbers of a size the model can compute with", problem);
    }
@ENDS@    *answer = found;
    return 0;
}
