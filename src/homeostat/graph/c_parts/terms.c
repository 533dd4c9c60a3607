/* Terms of a text: longest runs of word characters in lower case, counted where the vocabulary knows them. */

typedef struct {
    uint32_t first, last;
} range;

/* The next character of a text in UTF-8; a byte that begins none reads as U+FFFD. */
static uint32_t next_character(const char **at, const char *end)
{
    const unsigned char first = (unsigned char)*(*at)++;
    const int more = first < 0x80 ? 0 : first >= 0xF0 && first < 0xF8 ? 3 : first >= 0xE0 ? 2 : 1;
    uint32_t character = more == 0 ? first : more == 1 ? first & 0x1Fu : more == 2 ? first & 0x0Fu : first & 0x07u;
    if (more && (first < 0xC0 || first >= 0xF8 || end - *at < more))
        return 0xFFFD;
    for (int i = 0; i < more; i++) {
        if (((unsigned char)(*at)[i] & 0xC0) != 0x80)
            return 0xFFFD;
        character = character << 6 | ((unsigned char)(*at)[i] & 0x3Fu);
    }
    *at += more;
    return character;
}

static size_t write_character(uint32_t character, char *out)
{
    if (character < 0x80) {
        out[0] = (char)character;
        return 1;
    }
    if (character < 0x800) {
        out[0] = (char)(0xC0 | character >> 6);
        out[1] = (char)(0x80 | (character & 0x3F));
        return 2;
    }
    if (character < 0x10000) {
        out[0] = (char)(0xE0 | character >> 12);
        out[1] = (char)(0x80 | (character >> 6 & 0x3F));
        out[2] = (char)(0x80 | (character & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | character >> 18);
    out[1] = (char)(0x80 | (character >> 12 & 0x3F));
    out[2] = (char)(0x80 | (character >> 6 & 0x3F));
    out[3] = (char)(0x80 | (character & 0x3F));
    return 4;
}

static int of_a_word(uint32_t character)
{
    for (size_t i = 0; i < sizeof WORDS / sizeof WORDS[0]; i++) {
        if (character >= WORDS[i].first && character <= WORDS[i].last)
            return 1;
    }
    return 0;
}

static uint32_t lower(uint32_t character)
{
    for (size_t i = 0; i < sizeof UPPER / sizeof UPPER[0]; i++) {
        if (character >= UPPER[i].first && character <= UPPER[i].last)
            return character + UPPER_SHIFTS[i];
    }
    return character;
}

/* How often each term of the vocabulary occurs; null is NaN in every place. */
static int read_terms(const vocabulary *known, const model_value *value, double *out)
{
    const int null = value->kind == MODEL_NULL || (value->kind == MODEL_NUMBER && isnan(value->number));
    char term[LONGEST_TERM + 4];
    size_t length = 0;
    if (!null && value->kind != MODEL_TEXT)
        return 0;
    for (int i = 0; i < known->spellings; i++)
        out[i] = null ? NAN : 0.0;
    if (null)
        return 1;
    for (const char *at = value->text, *end = at + value->length; at <= end;) {
        const uint32_t character = at < end ? lower(next_character(&at, end)) : (at++, 0u);
        if (of_a_word(character)) {
            if (length <= LONGEST_TERM) /* a longer one is no known term */
                length += write_character(character, term + length);
            continue;
        }
        if (length > 0 && length <= LONGEST_TERM) {
            const int place = code_of_text(known, term, length);
            if (place >= 0)
                out[place] += 1.0;
        }
        length = 0;
    }
    return 1;
}
