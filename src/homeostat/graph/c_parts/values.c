/* From raw values to numbers. Each reader returns 1, or 0 for what is not allowed. */

static const double EARLIEST = -62135596800.0, END = 253402300800.0; /* the years 1 to 9999 in UTC */

static int read_number(const model_value *value, double *out)
{
    switch (value->kind) {
    case MODEL_NULL:
        *out = NAN;
        return 1;
    case MODEL_INTEGER:
        *out = (double)value->integer;
        return 1;
    case MODEL_NUMBER:
        *out = value->number;
        return !isinf(value->number);
    default:
        return 0;
    }
}

static int read_boolean(const model_value *value, double *out)
{
    if (value->kind == MODEL_BOOLEAN) {
        *out = value->integer ? 1.0 : 0.0;
        return 1;
    }
    return read_number(value, out) && (isnan(*out) || *out == 0.0 || *out == 1.0);
}

/* Exactly so many ASCII digits. */
static int digits(const char **at, const char *end, int count, int *out)
{
    *out = 0;
    for (; count > 0; count--, (*at)++) {
        if (*at == end || **at < '0' || **at > '9')
            return 0;
        *out = *out * 10 + (**at - '0');
    }
    return 1;
}

static int mark(const char **at, const char *end, char wanted)
{
    if (*at == end || **at != wanted)
        return 0;
    (*at)++;
    return 1;
}

/* The digits behind a point, of which those after the sixth are dropped. */
static int fraction(const char **at, const char *end, int *micros)
{
    int weight = 100000;
    const char *start = *at;
    for (; *at < end && **at >= '0' && **at <= '9'; (*at)++, weight /= 10)
        *micros += weight * (**at - '0');
    return *at > start;
}

/* Z, +01, +0100 or +01:00 up to the end of the text, as seconds; less than a day. */
static int offset(const char **at, const char *end, int *out)
{
    int sign, hours, minutes = 0;
    if (*at == end || mark(at, end, 'Z'))
        return *at == end;
    sign = **at == '-' ? -1 : 1;
    if (!(mark(at, end, '-') || mark(at, end, '+')) || !digits(at, end, 2, &hours))
        return 0;
    if (*at < end) {
        (void)mark(at, end, ':');
        if (!digits(at, end, 2, &minutes) || *at != end)
            return 0;
    }
    *out = sign * (hours * 3600 + minutes * 60);
    return hours * 60 + minutes < 24 * 60;
}

static int month_days(int year, int month)
{
    static const int LENGTHS[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const int leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return LENGTHS[month - 1] + (month == 2 && leap);
}

/* Days from 1970-01-01 to a day of the Gregorian calendar, years 1 to 9999. */
static int64_t days_since_1970(int year, int month, int day)
{
    const int before = year - 1;
    int64_t days = 365 * (int64_t)before + before / 4 - before / 100 + before / 400 - 719162;
    for (int each = 1; each < month; each++)
        days += month_days(year, each);
    return days + day - 1;
}

static int read_iso(const char *at, size_t length, double *out)
{
    const char *end = at + length;
    int year, month, day, hour = 0, minute = 0, second = 0, micros = 0, shift = 0;
    if (!digits(&at, end, 4, &year) || !mark(&at, end, '-') || !digits(&at, end, 2, &month) || !mark(&at, end, '-') ||
        !digits(&at, end, 2, &day))
        return 0;
    if (at < end) {
        if (!(mark(&at, end, 'T') || mark(&at, end, ' ')) || !digits(&at, end, 2, &hour) || !mark(&at, end, ':') ||
            !digits(&at, end, 2, &minute))
            return 0;
        if (mark(&at, end, ':')) {
            if (!digits(&at, end, 2, &second) || (mark(&at, end, '.') && !fraction(&at, end, &micros)))
                return 0;
        }
        if (!offset(&at, end, &shift))
            return 0;
    }
    if (year < 1 || month < 1 || month > 12 || day < 1 || day > month_days(year, month) || hour > 23 || minute > 59 || second > 59)
        return 0;
    *out = (double)(days_since_1970(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - shift) + micros / 1e6;
    return 1;
}

static int read_timestamp(const model_value *value, double *out)
{
    if (!(value->kind == MODEL_TEXT ? read_iso(value->text, value->length, out) : read_number(value, out)))
        return 0;
    return isnan(*out) || (*out >= EARLIEST && *out < END);
}
