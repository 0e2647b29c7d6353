/* A fake libnvidia-ml.so.1 for the real nvidia-ml-py. It reads the file named by FAKE_NVML_STATE again at every call, so
 * that a test can change a card, or break it, while something is looking. One word and its value per line:
 *
 *   driver 550.54.15            before the first card: the whole machine
 *   cuda 12040
 *   error nvmlInitWithFlags 9   any function by name, with the code that it answers
 *   card                        begins a card; all that follows belongs to it
 *   name NVIDIA L20
 *   uuid GPU-1
 *   total_mib 46068
 *   used_mib 3
 *   cc 8.9
 *   mig 0                       a card without this line does not know MIG (code 3), as a real one
 *   process 4242 2048           pid and MiB; -1 MiB is NVML's "not available"
 *   error nvmlDeviceGetMemoryInfo_v2 15
 *
 * A value whose line is missing is "not supported" (3). An unreadable state file is "unknown error" (999).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OK = 0, INVALID = 2, NOT_SUPPORTED = 3, INSUFFICIENT_SIZE = 7, UNKNOWN = 999 };
enum { CARDS = 16, PROCESSES = 32, ERRORS = 16, TEXT = 96 };

typedef struct { char function[TEXT]; int code; } Error;
typedef struct { Error all[ERRORS]; int count; } Errors;
typedef struct { unsigned pid; long long used_mib; } Process;
typedef struct {
    char name[TEXT], uuid[TEXT];
    long long total_mib, used_mib;
    int cc_major, cc_minor, mig;
    Process processes[PROCESSES];
    int process_count;
    Errors errors;
} Card;
typedef struct { char driver[TEXT]; int cuda; Card cards[CARDS]; int card_count; Errors errors; } State;

/* NVML's own layouts. */
typedef struct { unsigned long long total, free, used; } Memory;
typedef struct { unsigned version; unsigned long long total, reserved, free, used; } MemoryV2;
typedef struct { unsigned pid; unsigned long long used; unsigned gpu_instance, compute_instance; } ProcessInfo;

static void add_error(Errors *errors, const char *line) {
    if (errors->count < ERRORS && sscanf(line, "%95s %d", errors->all[errors->count].function,
                                         &errors->all[errors->count].code) == 2)
        errors->count++;
}

static void read_card_line(Card *card, const char *word, const char *rest) {
    if (!strcmp(word, "name")) snprintf(card->name, TEXT, "%s", rest);
    else if (!strcmp(word, "uuid")) snprintf(card->uuid, TEXT, "%s", rest);
    else if (!strcmp(word, "total_mib")) card->total_mib = atoll(rest);
    else if (!strcmp(word, "used_mib")) card->used_mib = atoll(rest);
    else if (!strcmp(word, "cc")) sscanf(rest, "%d.%d", &card->cc_major, &card->cc_minor);
    else if (!strcmp(word, "mig")) card->mig = atoi(rest);
    else if (!strcmp(word, "error")) add_error(&card->errors, rest);
    else if (!strcmp(word, "process") && card->process_count < PROCESSES) {
        Process *process = &card->processes[card->process_count];
        if (sscanf(rest, "%u %lld", &process->pid, &process->used_mib) == 2) card->process_count++;
    }
}

static int load(State *state) {
    const char *path = getenv("FAKE_NVML_STATE");
    FILE *file = path ? fopen(path, "r") : NULL;
    if (!file) return UNKNOWN;
    memset(state, 0, sizeof *state);
    char line[256], word[TEXT];
    while (fgets(line, sizeof line, file)) {
        int length = 0;
        line[strcspn(line, "\n")] = 0;
        if (sscanf(line, "%95s %n", word, &length) < 1) continue;
        const char *rest = line + (length ? length : (int)strlen(line));
        Card *card = state->card_count ? &state->cards[state->card_count - 1] : NULL;
        if (!strcmp(word, "card")) {
            if (state->card_count == CARDS) break;
            card = &state->cards[state->card_count++];
            card->total_mib = card->used_mib = card->cc_major = card->mig = -1;
        } else if (card) read_card_line(card, word, rest);
        else if (!strcmp(word, "driver")) snprintf(state->driver, TEXT, "%s", rest);
        else if (!strcmp(word, "cuda")) state->cuda = atoi(rest);
        else if (!strcmp(word, "error")) add_error(&state->errors, rest);
    }
    fclose(file);
    return OK;
}

static int told(const Errors *errors, const char *function) {
    for (int i = 0; i < errors->count; i++)
        if (!strcmp(errors->all[i].function, function)) return errors->all[i].code;
    return OK;
}

/* Loads the state and leaves the function with the code it was told to answer. */
#define MACHINE(state)                                                            \
    State state;                                                                  \
    do {                                                                          \
        int code = load(&state);                                                  \
        if (code == OK) code = told(&state.errors, __func__);                     \
        if (code != OK) return code;                                              \
    } while (0)

#define CARD(card, handle)                                                        \
    MACHINE(state_);                                                              \
    size_t number_ = (size_t)(handle);                                            \
    if (number_ < 1 || number_ > (size_t)state_.card_count) return INVALID;       \
    const Card *card = &state_.cards[number_ - 1];                                \
    do {                                                                          \
        int code = told(&card->errors, __func__);                                 \
        if (code != OK) return code;                                              \
    } while (0)

static int text(const char *value, char *out, unsigned length) {
    if (!*value) return NOT_SUPPORTED;
    if (strlen(value) + 1 > length) return INSUFFICIENT_SIZE;
    strcpy(out, value);
    return OK;
}

static unsigned long long bytes(long long mib) { return (unsigned long long)mib << 20; }

const char *nvmlErrorString(int code) { (void)code; return "an error of the fake NVML"; }
int nvmlInitWithFlags(unsigned flags) { (void)flags; MACHINE(state); return OK; }
int nvmlShutdown(void) { return OK; }

int nvmlSystemGetDriverVersion(char *out, unsigned length) { MACHINE(state); return text(state.driver, out, length); }

int nvmlSystemGetCudaDriverVersion(int *out) {
    MACHINE(state);
    if (!state.cuda) return NOT_SUPPORTED;
    *out = state.cuda;
    return OK;
}

int nvmlDeviceGetCount_v2(unsigned *out) { MACHINE(state); *out = (unsigned)state.card_count; return OK; }

int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **out) {
    CARD(card, (size_t)index + 1);
    (void)card;
    *out = (void *)((size_t)index + 1);
    return OK;
}

int nvmlDeviceGetName(void *handle, char *out, unsigned length) { CARD(card, handle); return text(card->name, out, length); }
int nvmlDeviceGetUUID(void *handle, char *out, unsigned length) { CARD(card, handle); return text(card->uuid, out, length); }

int nvmlDeviceGetMemoryInfo(void *handle, Memory *out) {
    CARD(card, handle);
    if (card->total_mib < 0 || card->used_mib < 0) return NOT_SUPPORTED;
    out->total = bytes(card->total_mib);
    out->used = bytes(card->used_mib);
    out->free = out->total - out->used;
    return OK;
}

int nvmlDeviceGetMemoryInfo_v2(void *handle, MemoryV2 *out) {
    CARD(card, handle);
    if (card->total_mib < 0 || card->used_mib < 0) return NOT_SUPPORTED;
    out->total = bytes(card->total_mib);
    out->used = bytes(card->used_mib);
    out->reserved = 0;
    out->free = out->total - out->used;
    return OK;
}

int nvmlDeviceGetCudaComputeCapability(void *handle, int *major, int *minor) {
    CARD(card, handle);
    if (card->cc_major < 0) return NOT_SUPPORTED;
    *major = card->cc_major;
    *minor = card->cc_minor;
    return OK;
}

int nvmlDeviceGetMigMode(void *handle, unsigned *current, unsigned *pending) {
    CARD(card, handle);
    if (card->mig < 0) return NOT_SUPPORTED;
    *current = *pending = (unsigned)card->mig;
    return OK;
}

/* The binding asks for the number first, with room for none. */
int nvmlDeviceGetComputeRunningProcesses_v3(void *handle, unsigned *count, ProcessInfo *out) {
    CARD(card, handle);
    unsigned room = *count;
    *count = (unsigned)card->process_count;
    if (room < *count) return INSUFFICIENT_SIZE;
    for (unsigned i = 0; i < *count; i++) {
        const Process *process = &card->processes[i];
        out[i].pid = process->pid;
        out[i].used = process->used_mib < 0 ? ~0ULL : bytes(process->used_mib);
        out[i].gpu_instance = out[i].compute_instance = ~0U;
    }
    return OK;
}

int nvmlDeviceGetGraphicsRunningProcesses_v3(void *handle, unsigned *count, ProcessInfo *out) {
    CARD(card, handle);
    (void)card;
    (void)out;
    *count = 0;
    return OK;
}
