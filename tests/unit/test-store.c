/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/child.h"
#include "base/error.h"
#include "base/store.h"

typedef struct {
    char *folder;
} Fixture;

static void set_up(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    (void)data;
    fixture->folder = g_dir_make_tmp("mmrig-store-XXXXXX", &error);
    g_assert_no_error(error);
}

static void tear_down(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    (void)data;
    g_assert_true(mmrig_remove_tree(fixture->folder, &error));
    g_assert_no_error(error);
    g_assert_false(g_file_test(fixture->folder, G_FILE_TEST_EXISTS));
    g_free(fixture->folder);
}

static int compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names in the folder, sorted, with spaces between; the lock file is not counted. */
static char *names_in(const char *folder)
{
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    const char *name;

    g_assert_nonnull(dir);
    while ((name = g_dir_read_name(dir))) {
        if (strcmp(name, ".lock") != 0)
            g_ptr_array_add(names, g_strdup(name));
    }
    g_ptr_array_sort(names, compare_names);
    g_ptr_array_add(names, NULL);
    return g_strjoinv(" ", (char **)names->pdata);
}

static void assert_names(const Fixture *fixture, const char *expected)
{
    g_autofree char *names = names_in(fixture->folder);

    g_assert_cmpstr(names, ==, expected);
}

/* The janitor of a folder is another process, and needs a moment. */
static void assert_emptied(const Fixture *fixture)
{
    for (guint i = 0; i < 500; i++) {
        g_autofree char *names = names_in(fixture->folder);

        if (*names == '\0')
            return;
        g_usleep(10000);
    }
    assert_names(fixture, "");
}

/* What the makers of these tests do. */
typedef struct {
    const char *text;
    const char *log; /* a byte is added to this file for each making, or NULL */
    int started;     /* a byte is written here when begun, or 0 */
    gboolean hang;   /* waits for ever after that */
    gboolean fail;
    guint sleep_ms;
} Job;

static void job_begin(const Job *job)
{
    if (job->log) {
        int fd = open(job->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

        g_assert_cmpint(write(fd, "x", 1), ==, 1);
        close(fd);
    }
    if (job->started > 0)
        g_assert_cmpint(write(job->started, "x", 1), ==, 1);
    while (job->hang)
        pause();
    g_usleep(job->sleep_ms * 1000UL);
}

static gboolean write_all(int fd, const char *text, gsize size, GError **error)
{
    while (size > 0) {
        gssize written = write(fd, text, size);

        if (written < 0) {
            g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG, "cannot write: %s",
                        g_strerror(errno));
            return FALSE;
        }
        text += written;
        size -= (gsize)written;
    }
    return TRUE;
}

static gboolean write_job(int fd, gpointer data, GError **error)
{
    const Job *job = data;

    if (!write_all(fd, job->text, strlen(job->text), error))
        return FALSE;
    job_begin(job);
    if (job->fail)
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT, "changed my mind");
    return !job->fail;
}

static gboolean fill_job(const char *path, gpointer data, GError **error)
{
    const Job *job = data;
    g_autofree char *inner = g_build_filename(path, "a", "b", NULL);
    g_autofree char *file = g_build_filename(inner, "file", NULL);

    g_assert_cmpint(g_mkdir_with_parents(inner, 0755), ==, 0);
    if (!g_file_set_contents(file, job->text, -1, error))
        return FALSE;
    /* Not even their owner may write here: removal must cope. */
    g_assert_cmpint(chmod(inner, 0500), ==, 0);
    job_begin(job);
    if (job->fail)
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT, "changed my mind");
    return !job->fail;
}

static void assert_content(const char *path, const char *expected)
{
    g_autofree char *content = NULL;

    g_assert_true(g_file_get_contents(path, &content, NULL, NULL));
    g_assert_cmpstr(content, ==, expected);
}

static void test_file(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    Job first = {.text = "first"}, second = {.text = "second"};
    g_autofree char *path =
        mmrig_store_file(fixture->folder, "entry", write_job, &first, &error);
    g_autofree char *again =
        mmrig_store_file(fixture->folder, "entry", write_job, &second, &error);

    (void)data;
    g_assert_no_error(error);
    g_assert_cmpstr(path, ==, again);
    assert_content(path, "first");
    assert_names(fixture, "entry");
}

static void test_folder(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    Job first = {.text = "first"}, second = {.text = "second"};
    g_autofree char *path =
        mmrig_store_folder(fixture->folder, "entry", fill_job, &first, &error);
    g_autofree char *again =
        mmrig_store_folder(fixture->folder, "entry", fill_job, &second, &error);
    g_autofree char *file = g_build_filename(path, "a", "b", "file", NULL);

    (void)data;
    g_assert_no_error(error);
    g_assert_cmpstr(path, ==, again);
    assert_content(file, "first");
    assert_names(fixture, "entry");
}

static void test_abandoned(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    Job job = {.text = "text", .fail = TRUE};

    (void)data;
    g_assert_null(mmrig_store_file(fixture->folder, "entry", write_job, &job, &error));
    g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT);
    g_assert_cmpstr(error->message, ==, "changed my mind");
    g_clear_error(&error);
    g_assert_null(mmrig_store_folder(fixture->folder, "entry", fill_job, &job, &error));
    g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT);
    assert_names(fixture, "");
}

static char *make(const Fixture *fixture, gboolean folder, Job *job, GError **error)
{
    return folder ? mmrig_store_folder(fixture->folder, "entry", fill_job, job, error)
                  : mmrig_store_file(fixture->folder, "entry", write_job, job, error);
}

/* Several at once: one makes it, the others wait and get the same. */
static void test_at_once(Fixture *fixture, gconstpointer data)
{
    gboolean folder = GPOINTER_TO_INT(data);
    g_autofree char *log = g_strconcat(fixture->folder, "-log", NULL);
    pid_t makers[4];

    for (guint i = 0; i < G_N_ELEMENTS(makers); i++) {
        makers[i] = fork();
        if (makers[i] == 0) {
            Job job = {.text = "text", .log = log, .sleep_ms = 100};

            _exit(make(fixture, folder, &job, NULL) ? 0 : 1);
        }
    }
    for (guint i = 0; i < G_N_ELEMENTS(makers); i++) {
        int status = -1;

        g_assert_cmpint(waitpid(makers[i], &status, 0), ==, makers[i]);
        g_assert_cmpint(status, ==, 0);
    }
    assert_content(log, "x");
    assert_names(fixture, "entry");
    g_assert_cmpint(unlink(log), ==, 0);
}

/* A maker that is killed half-way leaves no entry, and does not keep the next one waiting. */
static void test_killed(Fixture *fixture, gconstpointer data)
{
    gboolean folder = GPOINTER_TO_INT(data);
    g_autofree char *path = NULL;
    g_autoptr(GError) error = NULL;
    Job job = {.text = "second"};
    int started[2];
    char byte;
    pid_t maker;

    g_assert_cmpint(pipe2(started, O_CLOEXEC), ==, 0);
    maker = fork();
    if (maker == 0) {
        Job hanging = {.text = "half", .started = started[1], .hang = TRUE};

        make(fixture, folder, &hanging, NULL);
        _exit(1);
    }
    g_assert_cmpint(read(started[0], &byte, 1), ==, 1);
    g_assert_cmpint(kill(maker, SIGKILL), ==, 0);
    g_assert_cmpint(waitpid(maker, NULL, 0), ==, maker);
    close(started[0]);
    close(started[1]);

    assert_emptied(fixture);

    path = make(fixture, folder, &job, &error);
    g_assert_no_error(error);
    g_assert_nonnull(path);
    assert_names(fixture, "entry");
}

/* A folder that nobody keeps, however its user ends. */
static void test_scratch(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    Job job = {.text = "text"}, failing = {.text = "text", .fail = TRUE};
    int started[2];
    char byte;
    pid_t user;

    (void)data;
    g_assert_true(mmrig_store_scratch(fixture->folder, fill_job, &job, &error));
    g_assert_no_error(error);
    assert_names(fixture, "");
    g_assert_false(mmrig_store_scratch(fixture->folder, fill_job, &failing, &error));
    g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT);
    assert_names(fixture, "");
    g_assert_cmpint(mmrig_child_held(), ==, -1);

    g_assert_cmpint(pipe2(started, O_CLOEXEC), ==, 0);
    user = fork();
    if (user == 0) {
        Job hanging = {.text = "half", .started = started[1], .hang = TRUE};

        mmrig_store_scratch(fixture->folder, fill_job, &hanging, NULL);
        _exit(1);
    }
    g_assert_cmpint(read(started[0], &byte, 1), ==, 1);
    g_assert_cmpint(kill(user, SIGKILL), ==, 0);
    g_assert_cmpint(waitpid(user, NULL, 0), ==, user);
    close(started[0]);
    close(started[1]);
    assert_emptied(fixture);
}

/* Waits for the maker to begin; returns its only child. */
static pid_t read_janitor(int started, pid_t maker)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/task/%d/children", maker, maker);
    g_autofree char *text = NULL;
    pid_t janitor;
    char byte;

    g_assert_cmpint(read(started, &byte, 1), ==, 1);
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    janitor = (pid_t)strtol(text, NULL, 10);
    g_assert_cmpint(janitor, >, 1);
    return janitor;
}

/* As a compilation that goes on and on; it says so on the descriptor. */
static gboolean fill_busily(const char *path, gpointer data, GError **error)
{
    const Job *job = data;
    g_autofree char *script = g_strdup_printf(
        "(while :; do mkdir -p a b; echo > a/$i; echo > b/$i; i=$((i+1)); done) & "
        "(while [ ! -e a/9 ]; do :; done); echo x > /proc/%d/fd/%d; wait",
        (int)getpid(), job->started);
    const char *const argv[] = {"sh", "-c", script, NULL};

    return mmrig_child_run(argv, path, NULL, error);
}

/* The janitor waits for the commands of a killed maker, which write where it removes. */
static void test_killed_busy(Fixture *fixture, gconstpointer data)
{
    int started[2];
    char byte;
    pid_t maker;

    (void)data;
    g_assert_cmpint(pipe2(started, O_CLOEXEC), ==, 0);
    maker = fork();
    if (maker == 0) {
        Job job = {.started = started[1]};

        mmrig_store_folder(fixture->folder, "entry", fill_busily, &job, NULL);
        _exit(1);
    }
    g_assert_cmpint(read(started[0], &byte, 1), ==, 1);
    g_assert_cmpint(kill(maker, SIGKILL), ==, 0);
    g_assert_cmpint(waitpid(maker, NULL, 0), ==, maker);
    close(started[0]);
    close(started[1]);
    assert_emptied(fixture);
}

/* When the janitor is killed with the maker, the next maker removes what they leave. */
static void test_all_killed(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *names = NULL;
    g_autofree char *path = NULL;
    Job job = {.text = "second"};
    int started[2];
    pid_t maker, janitor;

    (void)data;
    g_assert_cmpint(prctl(PR_SET_CHILD_SUBREAPER, 1), ==, 0);
    g_assert_cmpint(pipe2(started, O_CLOEXEC), ==, 0);
    maker = fork();
    if (maker == 0) {
        Job hanging = {.text = "half", .started = started[1], .hang = TRUE};

        mmrig_store_folder(fixture->folder, "entry", fill_job, &hanging, NULL);
        _exit(1);
    }
    janitor = read_janitor(started[0], maker);
    g_assert_cmpint(kill(janitor, SIGKILL), ==, 0);
    g_assert_cmpint(kill(maker, SIGKILL), ==, 0);
    g_assert_cmpint(waitpid(maker, NULL, 0), ==, maker);
    g_assert_cmpint(waitpid(janitor, NULL, 0), ==, janitor);
    close(started[0]);
    close(started[1]);

    names = names_in(fixture->folder);
    g_assert_true(g_str_has_prefix(names, ".partial-"));
    path = mmrig_store_folder(fixture->folder, "entry", fill_job, &job, &error);
    g_assert_no_error(error);
    assert_names(fixture, "entry");
}

/* What a living maker works on is not taken for abandoned. */
static void test_living(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *names = NULL;
    g_autofree char *path = NULL;
    Job job = {.text = "other"};
    int started[2], status;
    char byte;
    pid_t maker;

    (void)data;
    g_assert_cmpint(pipe2(started, O_CLOEXEC), ==, 0);
    maker = fork();
    if (maker == 0) {
        Job hanging = {.text = "text", .started = started[1], .hang = TRUE};

        mmrig_store_folder(fixture->folder, "slow", fill_job, &hanging, NULL);
        _exit(1);
    }
    g_assert_cmpint(read(started[0], &byte, 1), ==, 1);
    path = mmrig_store_folder(fixture->folder, "other", fill_job, &job, &error);
    g_assert_no_error(error);
    names = names_in(fixture->folder);
    g_assert_true(g_str_has_prefix(names, ".partial-"));
    g_assert_true(g_str_has_suffix(names, " other"));
    g_assert_cmpint(kill(maker, SIGKILL), ==, 0);
    g_assert_cmpint(waitpid(maker, &status, 0), ==, maker);
    close(started[0]);
    close(started[1]);
}

/* As a full disk: writes beyond 4 KiB fail, with a message rather than a signal. */
static void test_no_room(Fixture *fixture, gconstpointer data)
{
    gboolean folder = GPOINTER_TO_INT(data);
    pid_t maker = fork();
    int status;

    if (maker == 0) {
        struct rlimit limit = {4096, 4096};
        g_autofree char *text = g_strnfill(100000, 'x');
        g_autoptr(GError) error = NULL;
        Job job = {.text = text};

        signal(SIGXFSZ, SIG_IGN);
        if (setrlimit(RLIMIT_FSIZE, &limit) != 0 || make(fixture, folder, &job, &error))
            _exit(1);
        _exit(error && !strchr(error->message, '\n') && strstr(error->message, "too large")
                  ? 0
                  : 2);
    }
    g_assert_cmpint(waitpid(maker, &status, 0), ==, maker);
    g_assert_cmpint(status, ==, 0);
    assert_names(fixture, "");
}

static void test_bad_folder(Fixture *fixture, gconstpointer data)
{
    g_autofree char *missing = g_build_filename(fixture->folder, "missing", NULL);
    g_autoptr(GError) error = NULL;
    Job job = {.text = "text"};

    (void)data;
    g_assert_null(mmrig_store_file(missing, "entry", write_job, &job, &error));
    g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT);
    g_assert_nonnull(strstr(error->message, missing));
}

/* A link in the tree is removed, not what it points to. */
static void test_remove_links(Fixture *fixture, gconstpointer data)
{
    g_autofree char *kept = g_build_filename(fixture->folder, "kept", NULL);
    g_autofree char *file = g_build_filename(kept, "file", NULL);
    g_autofree char *gone = g_build_filename(fixture->folder, "gone", NULL);
    g_autofree char *link = g_build_filename(gone, "link", NULL);
    g_autoptr(GError) error = NULL;

    (void)data;
    g_assert_cmpint(g_mkdir(kept, 0755), ==, 0);
    g_assert_cmpint(g_mkdir(gone, 0755), ==, 0);
    g_assert_true(g_file_set_contents(file, "x", -1, NULL));
    g_assert_cmpint(symlink(kept, link), ==, 0);
    g_assert_true(mmrig_remove_tree(gone, &error));
    g_assert_no_error(error);
    assert_names(fixture, "kept");
    assert_content(file, "x");
    g_assert_true(mmrig_remove_tree(gone, &error));
    g_assert_no_error(error);
}

static char *digest_of(const char *purpose, const char *a, const char *b)
{
    g_autoptr(MmrigKey) key = mmrig_key_new(purpose);

    mmrig_key_add(key, a);
    mmrig_key_add(key, b);
    return g_strdup(mmrig_key_digest(key));
}

static void test_key(Fixture *fixture, gconstpointer data)
{
    static const char *const inputs[][3] = {
        {"p", "a", "b"},     {"p", "ab", ""},   {"p", "", "ab"}, {"p", "ab", NULL},
        {"p", NULL, "ab"},   {"pa", "b", ""},   {"p", "b", "a"}, {"q", "a", "b"},
        {"p", "T1:b", NULL}, {"p", NULL, NULL}, {"p", "", ""},
    };
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    (void)fixture;
    (void)data;
    for (guint i = 0; i < G_N_ELEMENTS(inputs); i++) {
        char *digest = digest_of(inputs[i][0], inputs[i][1], inputs[i][2]);
        g_autofree char *again = digest_of(inputs[i][0], inputs[i][1], inputs[i][2]);

        g_assert_cmpuint(strlen(digest), ==, 64);
        g_assert_cmpstr(digest, ==, again);
        g_assert_true(g_hash_table_add(seen, digest));
    }
}

static char *digest_of_file(const char *path, gboolean content)
{
    g_autoptr(MmrigKey) key = mmrig_key_new("file");
    g_autoptr(GError) error = NULL;

    if (content)
        mmrig_key_add_content(key, path, &error);
    else
        mmrig_key_add_stat(key, path, &error);
    g_assert_no_error(error);
    return g_strdup(mmrig_key_digest(key));
}

static void test_key_file(Fixture *fixture, gconstpointer data)
{
    g_autofree char *path = g_build_filename(fixture->folder, "file", NULL);
    g_autofree char *content = NULL, *status = NULL, *content2 = NULL, *status2 = NULL;
    g_autoptr(MmrigKey) key = mmrig_key_new("file");
    g_autoptr(GError) error = NULL;

    (void)data;
    g_assert_false(mmrig_key_add_content(key, path, &error));
    g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT);
    g_clear_error(&error);
    g_assert_false(mmrig_key_add_stat(key, path, &error));
    g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT);
    g_clear_error(&error);
    g_assert_false(mmrig_key_add_content(key, fixture->folder, &error));
    g_assert_error(error, MMRIG_ERROR, MMRIG_ERROR_INPUT);

    g_assert_true(g_file_set_contents(path, "one", -1, NULL));
    content = digest_of_file(path, TRUE);
    status = digest_of_file(path, FALSE);
    g_assert_true(g_file_set_contents(path, "three", -1, NULL));
    content2 = digest_of_file(path, TRUE);
    status2 = digest_of_file(path, FALSE);
    g_assert_cmpstr(content, !=, content2);
    g_assert_cmpstr(status, !=, status2);
    g_assert_cmpstr(content, !=, status);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(path, flag, function)                                                              \
    g_test_add("/store/" path, Fixture, GINT_TO_POINTER(flag), set_up, function, tear_down)
    ADD("file", FALSE, test_file);
    ADD("folder", TRUE, test_folder);
    ADD("abandoned", FALSE, test_abandoned);
    ADD("at-once/file", FALSE, test_at_once);
    ADD("at-once/folder", TRUE, test_at_once);
    ADD("killed/file", FALSE, test_killed);
    ADD("killed/folder", TRUE, test_killed);
    ADD("killed/busy", TRUE, test_killed_busy);
    ADD("killed/all", TRUE, test_all_killed);
    ADD("living", TRUE, test_living);
    ADD("no-room/file", FALSE, test_no_room);
    ADD("no-room/folder", TRUE, test_no_room);
    ADD("scratch", TRUE, test_scratch);
    ADD("bad-folder", FALSE, test_bad_folder);
    ADD("remove/links", FALSE, test_remove_links);
    ADD("key/parts", FALSE, test_key);
    ADD("key/file", FALSE, test_key_file);
#undef ADD
    return g_test_run();
}
