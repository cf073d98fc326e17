/* The mean of a column of numbers, under SageMaker's contract: `mean train` and `mean serve`, and no library. */
#define _GNU_SOURCE

#include <arpa/inet.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static const char CHANNEL[] = "/opt/ml/input/data/train";
static const char MODEL[] = "/opt/ml/model/mean.txt";
static const char FAILURE[] = "/opt/ml/output/failure";

static int fail(const char *why) {
    FILE *file = fopen(FAILURE, "w"); /* becomes the job's FailureReason */
    if (file) {
        fprintf(file, "%s", why);
        fclose(file);
    }
    return 1;
}

static int train(void) {
    DIR *folder = opendir(CHANNEL);
    if (!folder)
        return fail("there is no channel `train`");
    double sum = 0, number;
    long count = 0;
    for (struct dirent *entry; (entry = readdir(folder));) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", CHANNEL, entry->d_name);
        FILE *file = entry->d_name[0] == '.' ? NULL : fopen(path, "r");
        if (!file)
            continue;
        while (fscanf(file, "%lf", &number) == 1) {
            sum += number;
            count++;
        }
        fclose(file);
    }
    if (!count)
        return fail("there is no number in the channel `train`");
    FILE *model = fopen(MODEL, "w");
    if (!model)
        return fail("the model cannot be written");
    fprintf(model, "%.6f", sum / count);
    printf("numbers=%ld; mean=%.6f;\n", count, sum / count);
    return fclose(model);
}

static void answer(int connection, const char *mean) {
    static char request[1 << 16];
    size_t length = 0, head = 0, body = 0;
    while (length < sizeof request - 1 && (!head || length < head + body)) {
        ssize_t count = read(connection, request + length, sizeof request - 1 - length);
        if (count <= 0)
            return;
        request[length += count] = 0;
        char *end = strstr(request, "\r\n\r\n");
        if (end && !head) {
            head = end + 4 - request;
            char *line = strcasestr(request, "content-length:");
            body = line && line < end ? strtoul(line + 15, NULL, 10) : 0;
        }
    }
    char text[64] = "";
    if (!strncmp(request, "POST /invocations", 17)) /* how far the number in the body is from the mean */
        snprintf(text, sizeof text, "%.3f", strtod(request + head, NULL) - strtod(mean, NULL));
    dprintf(connection, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
            strlen(text), text);
}

static void leave(int number) {
    (void)number;
    _exit(0); /* process 1 ends by itself only: without this, SIGTERM would have no effect */
}

static int serve(void) {
    char mean[64] = "";
    FILE *model = fopen(MODEL, "r");
    if (!model || !fgets(mean, sizeof mean, model))
        return 1;
    signal(SIGTERM, leave);
    signal(SIGPIPE, SIG_IGN);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(8080)};
    int listening = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
    setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(listening, (struct sockaddr *)&address, sizeof address) || listen(listening, 64))
        return 1;
    for (int connection; (connection = accept(listening, NULL, NULL)) >= 0; close(connection))
        answer(connection, mean);
    return 1;
}

int main(int count, char **words) {
    if (count > 1 && !strcmp(words[1], "serve"))
        return serve();
    return count > 1 && !strcmp(words[1], "train") ? train() : 2;
}
