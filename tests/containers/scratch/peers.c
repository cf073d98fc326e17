/* Two hosts of a job meet: algo-1 listens at its own name, the other calls it. Without a library: for images FROM scratch. */

#include <arpa/inet.h>
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct sockaddr_in address_of(const char *wanted) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(7777)};
    char line[512], number[64], name[64];
    FILE *hosts = fopen("/etc/hosts", "r");
    while (hosts && fgets(line, sizeof line, hosts))
        if (sscanf(line, "%63s %63s", number, name) == 2 && !strcmp(name, wanted))
            inet_pton(AF_INET, number, &address.sin_addr);
    return address;
}

static int files_of(const char *folder) {
    int count = 0;
    DIR *open = opendir(folder);
    for (struct dirent *one; open && (one = readdir(open));)
        count += one->d_name[0] != '.';
    return count;
}

int main(void) {
    struct sockaddr_in first = address_of("algo-1");
    char me[64] = "", said[64] = "";
    gethostname(me, sizeof me);
    int one = socket(AF_INET, SOCK_STREAM, 0);
    if (!strcmp(me, "algo-1")) {
        if (bind(one, (struct sockaddr *)&first, sizeof first) || listen(one, 1))
            return 3;
        int peer = accept(one, NULL, NULL);
        read(peer, said, sizeof said - 1);
    } else {
        while (connect(one, (struct sockaddr *)&first, sizeof first)) {
            close(one);
            usleep(20000);
            one = socket(AF_INET, SOCK_STREAM, 0);
        }
        write(one, me, strlen(me));
    }
    printf("%s has %d files and met %s\n", me, files_of("/opt/ml/input/data/train"), *said ? said : "algo-1");
    return 0;
}
