/* Categories: a known text or number has a code from 1 on, null is 0, and what was never seen comes after the last. */

typedef struct {
    const char *text;
    size_t length;
    int code;
} spelling; /* in the order of their bytes */

typedef struct {
    double value;
    int code;
} amount; /* in the order of their values */

typedef struct {
    int spellings, amounts;
    const spelling *texts;
    const amount *numbers;
} vocabulary;

/* The code of a text, or of what is not known: -1. */
static int code_of_text(const vocabulary *known, const char *text, size_t length)
{
    int low = 0, high = known->spellings;
    while (low < high) {
        const int middle = low + (high - low) / 2;
        const spelling *here = &known->texts[middle];
        const size_t shorter = length < here->length ? length : here->length;
        int order = shorter ? memcmp(text, here->text, shorter) : 0;
        if (order == 0)
            order = (length > here->length) - (length < here->length);
        if (order == 0)
            return here->code;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return -1;
}

static int code_of_number(const vocabulary *known, double value)
{
    int low = 0, high = known->amounts;
    while (low < high) {
        const int middle = low + (high - low) / 2;
        if (known->numbers[middle].value == value)
            return known->numbers[middle].code;
        if (value < known->numbers[middle].value)
            high = middle;
        else
            low = middle + 1;
    }
    return -1;
}

static int code_of_integer(const vocabulary *known, int64_t value)
{
    char text[20], *start = text + sizeof text;
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        *--start = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest);
    if (value < 0)
        *--start = '-';
    return code_of_text(known, start, (size_t)(text + sizeof text - start));
}

static int read_category(const vocabulary *known, const model_value *value, int *out)
{
    int code = 0;
    switch (value->kind) {
    case MODEL_NULL:
        break;
    case MODEL_TEXT:
        code = code_of_text(known, value->text, value->length);
        break;
    case MODEL_BOOLEAN:
        code = value->integer ? code_of_text(known, "true", 4) : code_of_text(known, "false", 5);
        break;
    case MODEL_INTEGER:
        code = code_of_integer(known, value->integer);
        break;
    case MODEL_NUMBER:
        if (isinf(value->number))
            return 0;
        code = isnan(value->number) ? 0 : code_of_number(known, value->number);
        break;
    default:
        return 0;
    }
    *out = code < 0 ? known->spellings + 1 : code;
    return 1;
}
