/* What a container may do wrong, without a library: for images FROM scratch. `MODE` says which. */

#include <arpa/inet.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void leave(int number) { _exit(128 + number); }

static void hold(void) {
    while (access("/opt/ml/go", F_OK))
        usleep(10000);
}

static void bomb(void) {
    int count = 0;
    for (; count < 300; count++) {
        int child = fork();
        if (child < 0)
            break;
        if (!child) {
            pause();
            _exit(0);
        }
    }
    printf("processes=%d\n", count);
}

static void hunger(void) {
    for (int count = 0; count < 1000; count++) {
        char *block = malloc(4 << 20);
        if (!block)
            _exit(3);
        memset(block, 1, 4 << 20);
    }
}

static void call(const char *port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(port))};
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    for (int count = 0; count < 30; count++, usleep(100000)) {
        int one = socket(AF_INET, SOCK_STREAM, 0);
        int failed = connect(one, (struct sockaddr *)&address, sizeof address);
        close(one);
        if (!failed) {
            puts("connected");
            return;
        }
    }
    puts("unreachable");
}

/* Answer every request with who we are. */
static void serve(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(8080)};
    int listening = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listening, (struct sockaddr *)&address, sizeof address) || listen(listening, 16))
        _exit(1);
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    for (int one; (one = accept(listening, NULL, NULL)) >= 0; close(one)) {
        char request[4096];
        if (read(one, request, sizeof request) > 0)
            dprintf(one, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\n%09ld", now.tv_nsec);
    }
}

int main(int count, char **words) {
    const char *mode = getenv("MODE") ? getenv("MODE") : "";
    setvbuf(stdout, NULL, _IOLBF, 1 << 16);
    signal(SIGTERM, strcmp(mode, "deaf") ? leave : SIG_IGN);
    for (int number = 0; number < count; number++)
        printf("word %d %s\n", number, words[number]);
    if (!strcmp(mode, "hold") || !strcmp(mode, "deaf"))
        hold();
    else if (!strcmp(mode, "bomb"))
        bomb();
    else if (!strcmp(mode, "hungry"))
        hunger();
    else if (!strcmp(mode, "flood"))
        for (int number = 0; number < 400000; number++)
            printf("line %d\n", number);
    else if (!strcmp(mode, "call"))
        call(getenv("CALLED"));
    else if (!strcmp(mode, "serve"))
        serve();
    else if (!strcmp(mode, "write")) {
        FILE *file = fopen("/opt/ml/model/user", "w");
        printf("%s\n", file ? "written" : "refused");
        if (file)
            fprintf(file, "%d", getuid());
    }
    puts("end");
    return 0;
}
