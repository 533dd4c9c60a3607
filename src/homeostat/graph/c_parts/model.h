/* @ABOUT@ */
#ifndef MODEL_H
#define MODEL_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How many values a row has, and how many scores an answer. */
#define MODEL_INPUTS @INPUTS@
#define MODEL_SCORES @SCORES@

/* The place of each input in a row. */
enum {
@PLACES@
};

/*
 * One raw value, as it comes from a sensor, a form or a file.
 *
 * number     a finite number or null
 * boolean    true, false, 0, 1 or null
 * timestamp  an ISO 8601 date or date-time (UTC where it has no offset), seconds since 1970-01-01 UTC, or null
 * category   a text, a finite number, true, false or null; one that was not seen in training is allowed
 * text       a text or null
 *
 * A number that is NaN is null. Texts are UTF-8 and need no NUL at their end.
 */
typedef enum { MODEL_NULL, MODEL_NUMBER, MODEL_INTEGER, MODEL_BOOLEAN, MODEL_TEXT } model_kind;

typedef struct {
    model_kind kind;
    double number;    /* of MODEL_NUMBER */
    int64_t integer;  /* of MODEL_INTEGER; of MODEL_BOOLEAN 0 or 1 */
    const char *text; /* of MODEL_TEXT */
    size_t length;    /* bytes of the text */
} model_value;

typedef struct {
    double scores[MODEL_SCORES]; /* @MEANING@ */
@FIELDS@} model_answer;

/* Why a row is refused: the place of the input in the row (-1: the row as a whole), its name, and what is allowed there. */
typedef struct {
    int input;
    const char *name;
    const char *allowed;
} model_problem;

/* The names of the inputs, in the order of a row@CLASSES_TOO@. */
extern const char *const model_input_names[MODEL_INPUTS];
@CLASS_NAMES@
/*
 * The answer to one row. Returns 0, or 1 for a row that is refused, and then says why in *problem and leaves *answer as it was.
 * It allocates nothing, keeps nothing, and may be called from any thread. It needs about @STACK@ bytes of stack.
 */
int model_predict(const model_value row[MODEL_INPUTS], model_answer *answer, model_problem *problem);

static inline model_value model_null(void)
{
    const model_value value = {MODEL_NULL, 0.0, 0, NULL, 0};
    return value;
}

static inline model_value model_number(double number)
{
    const model_value value = {MODEL_NUMBER, number, 0, NULL, 0};
    return value;
}

static inline model_value model_integer(int64_t integer)
{
    const model_value value = {MODEL_INTEGER, 0.0, integer, NULL, 0};
    return value;
}

static inline model_value model_boolean(int truth)
{
    const model_value value = {MODEL_BOOLEAN, 0.0, truth != 0, NULL, 0};
    return value;
}

static inline model_value model_text(const char *text, size_t length)
{
    const model_value value = {MODEL_TEXT, 0.0, 0, text, length};
    return value;
}

#ifdef __cplusplus
}
#endif

#endif
