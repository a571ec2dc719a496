/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fake-qemu-script.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Of a line of the rig's. */
#define LINE_SIZE 8192

/* A script that makes no sense, or a rig that is gone. */
static _Noreturn void play_fail(const char *why)
{
    fprintf(stderr, "fake-qemu: %s\n", why);
    exit(3);
}

static void play_write(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t written = write(fd, bytes, size);
        if (written <= 0)
            play_fail("cannot write");
        bytes += written;
        size -= (size_t)written;
    }
}

/* Cuts the first word off *text. */
static const char *play_word(char **text)
{
    char *word = *text, *end = strchr(word, ' ');

    if (end)
        *end++ = '\0';
    *text = end ? end : word + strlen(word);
    return word;
}

static int play_fd(const char *name)
{
    static const char *const names[] = {"",        "",     "stderr",  "qmp",
                                        "control", "ktap", "console", "link"};

    for (int fd = 2; fd < (int)(sizeof names / sizeof *names); fd++)
        if (strcmp(names[fd], name) == 0)
            return fd;
    play_fail("no such channel");
}

/* Undoes the escapes of text, in place; returns its size. */
static size_t play_unescape(char *text)
{
    char *out = text;

    for (char *in = text; *in; out++) {
        if (*in != '\\') {
            *out = *in++;
        } else if (in[1] >= '0' && in[1] <= '3' && strlen(in) >= 4) {
            *out = (char)((in[1] - '0') * 64 + (in[2] - '0') * 8 + (in[3] - '0'));
            in += 4;
        } else {
            *out = in[1] == 'n' ? '\n' : in[1] == 'r' ? '\r' : in[1];
            in += 2;
        }
    }
    return (size_t)(out - text);
}

static void play_say(char *rest)
{
    int fd = play_fd(play_word(&rest));

    play_write(fd, rest, play_unescape(rest));
}

static void play_flood(char *rest)
{
    int fd = play_fd(play_word(&rest));
    size_t left = (size_t)strtoul(play_word(&rest), NULL, 10), size = play_unescape(rest);

    for (; left > 0; left -= size < left ? size : left)
        play_write(fd, rest, size);
}

static void play_hear(const char *word)
{
    char line[LINE_SIZE];
    size_t used = 0;

    for (;;) {
        if (used == sizeof line - 1 || read(play_fd("control"), line + used, 1) != 1)
            play_fail("the rig says no more to the agent");
        if (line[used++] != '\n')
            continue;
        if (used > strlen(word) && memcmp(line, word, strlen(word)) == 0)
            return;
        used = 0;
    }
}

static void play_find(char *text)
{
    char found[LINE_SIZE] = {0};
    size_t size = play_unescape(text);

    for (size_t used = 0; used < size;) {
        ssize_t got = read(play_fd("link"), found + used, size - used);
        if (got <= 0)
            play_fail("nothing comes over the link");
        used += (size_t)got;
    }
    if (memcmp(found, text, size) != 0)
        play_fail("something else comes over the link");
}

static void play_stray(void)
{
    char byte;

    if (fork() != 0)
        return;
    setsid();
    alarm(60);
    /* Until the rig has closed its end: it must not wait for ours. */
    while (read(play_fd("control"), &byte, 1) > 0)
        ;
    _exit(0);
}

static void play_heir(void)
{
    if (fork() != 0)
        return;
    alarm(60);
    for (;;)
        pause();
}

static void play_show(void)
{
    struct rlimit core;
    DIR *folder = opendir("/proc/self/fd");
    struct dirent *entry;

    for (char **one = environ; *one; one++)
        fprintf(stderr, "env %s\n", *one);
    while (folder && (entry = readdir(folder)))
        if (*entry->d_name != '.' && atoi(entry->d_name) != dirfd(folder))
            fprintf(stderr, "fd %s\n", entry->d_name);
    if (folder)
        closedir(folder);
    if (getrlimit(RLIMIT_CORE, &core) == 0)
        fprintf(stderr, "core %lu\n", (unsigned long)core.rlim_cur);
}

/* Whether there was no such file; then there is one. */
static bool play_first(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static void play_step(char *step, FILE *qmp, FakeAnswer answer)
{
    char *rest = step;
    const char *verb = play_word(&rest);
    char name[64];

    if (strcmp(verb, "say") == 0) {
        play_say(rest);
    } else if (strcmp(verb, "flood") == 0) {
        play_flood(rest);
    } else if (strcmp(verb, "hear") == 0) {
        play_hear(rest);
    } else if (strcmp(verb, "find") == 0) {
        play_find(rest);
    } else if (strcmp(verb, "command") == 0) {
        do {
            if (!answer(qmp, name))
                play_fail("the rig gives no more commands");
        } while (strcmp(name, rest) != 0);
    } else if (strcmp(verb, "event") == 0) {
        play_write(play_fd("qmp"), rest, strlen(rest));
        play_write(play_fd("qmp"), "\r\n", 2);
    } else if (strcmp(verb, "stray") == 0) {
        play_stray();
    } else if (strcmp(verb, "heir") == 0) {
        play_heir();
    } else if (strcmp(verb, "show") == 0) {
        play_show();
    } else if (strcmp(verb, "pause") == 0) {
        usleep((useconds_t)atoi(rest) * 1000);
    } else if (strcmp(verb, "touch") == 0) {
        close(open(rest, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    } else if (strcmp(verb, "there") == 0) {
        if (access(rest, F_OK) != 0)
            play_fail("there is no such file");
    } else if (strcmp(verb, "once") == 0) {
        if (play_first(play_word(&rest)))
            play_step(rest, qmp, answer);
    } else if (strcmp(verb, "die") == 0) {
        play_write(play_fd("stderr"), rest, play_unescape(rest));
        signal(SIGABRT, SIG_DFL);
        raise(SIGABRT);
    } else if (strcmp(verb, "exit") == 0) {
        exit(atoi(rest));
    } else if (strcmp(verb, "kill") == 0) {
        /* A sanitizer has handlers of its own for some. */
        signal(atoi(rest), SIG_DFL);
        raise(atoi(rest));
    } else if (strcmp(verb, "serve") == 0) {
        while (answer(qmp, NULL))
            ;
        exit(0);
    } else if (strcmp(verb, "wait") == 0) {
        for (;;)
            pause();
    } else {
        play_fail("no such step");
    }
}

int fake_qemu_play(const char *path, FILE *qmp, FakeAnswer answer)
{
    FILE *script = fopen(path, "re");
    char *step = NULL;
    size_t room = 0;
    ssize_t size;

    if (!script)
        play_fail("there is no script");
    while ((size = getline(&step, &room, script)) > 0) {
        step[size - (step[size - 1] == '\n')] = '\0';
        if (*step)
            play_step(step, qmp, answer);
    }
    free(step);
    fclose(script);
    return 0;
}
