/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Templates that many runs share: what is held open, for how long, and one that QEMU refuses.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "run/share-private.h"
#include "vm/backing.h"

/* A template as it is when it is loaded, with one open file, whose number goes to *fd. */
static MmrigTemplate *loaded(int *fd)
{
    MmrigTemplate *template = g_new0(MmrigTemplate, 1);

    *fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    g_assert_no_errno(*fd);
    template->references = 1;
    template->folder = g_strdup("/nowhere");
    template->files = mmrig_backing_array();
    g_array_append_val(template->files, *fd);
    return template;
}

static gboolean is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

/* A scenario and its twin have one, which goes after the last run. */
static void test_one_for_all(void)
{
    MmrigShares shares;
    int fd;

    mmrig_shares_init(&shares);
    MmrigShare *share = mmrig_shares_get(&shares, "a", 2);
    g_assert_true(mmrig_shares_get(&shares, "a", 1) == share);
    g_assert_true(mmrig_shares_get(&shares, "b", 1) != share);
    g_assert_cmpuint(share->left, ==, 3);

    mmrig_shares_put(&shares, share, loaded(&fd));
    MmrigTemplate *first = mmrig_shares_begin(&shares, share);
    MmrigTemplate *second = mmrig_shares_begin(&shares, share);
    g_assert_true(first == second);
    mmrig_shares_end(&shares, share, first, TRUE);
    g_assert_true(is_open(fd));
    mmrig_shares_end(&shares, share, second, TRUE);
    g_assert_true(is_open(fd));
    MmrigTemplate *third = mmrig_shares_begin(&shares, share);
    mmrig_shares_end(&shares, share, third, TRUE);
    g_assert_false(is_open(fd));
    g_assert_null(share->template);
    g_assert_cmpuint(shares.idle, ==, 0);
    mmrig_shares_clear(&shares);
}

/* Those that no fork uses are few, even if all are needed again. */
static void test_few_idle(void)
{
    enum { MANY = 5 * MMRIG_SHARES_IDLE };
    MmrigShares shares;
    int fds[MANY];
    guint open_now = 0;

    mmrig_shares_init(&shares);
    for (guint i = 0; i < MANY; i++) {
        g_autofree char *name = g_strdup_printf("%u", i);
        MmrigShare *share = mmrig_shares_get(&shares, name, 2);
        mmrig_shares_put(&shares, share, loaded(&fds[i]));
        mmrig_shares_end(&shares, share, mmrig_shares_begin(&shares, share), TRUE);
        g_assert_cmpuint(shares.idle, <=, MMRIG_SHARES_IDLE);
    }
    for (guint i = 0; i < MANY; i++)
        open_now += is_open(fds[i]) ? 1 : 0;
    g_assert_cmpuint(open_now, ==, MMRIG_SHARES_IDLE);
    mmrig_shares_clear(&shares);
    for (guint i = 0; i < MANY; i++)
        g_assert_false(is_open(fds[i]));
}

/* Several forks of it are under way when the first finds out. */
static void test_refused(void)
{
    MmrigShares shares;
    int old, new;

    mmrig_shares_init(&shares);
    MmrigShare *share = mmrig_shares_get(&shares, "a", 2);
    mmrig_shares_put(&shares, share, loaded(&old));
    MmrigTemplate *first = mmrig_shares_begin(&shares, share);
    MmrigTemplate *second = mmrig_shares_begin(&shares, share);
    guint generation = share->generation;

    share->made = TRUE;
    g_assert_true(mmrig_shares_refused(&shares, share, generation, "no"));
    g_assert_null(share->template);
    g_assert_false(share->made);
    mmrig_shares_end(&shares, share, first, FALSE);
    /* The second holds it still, and what it finds is known. */
    g_assert_true(is_open(old));
    g_assert_false(mmrig_shares_refused(&shares, share, generation, "no"));
    g_assert_null(share->why);
    mmrig_shares_end(&shares, share, second, FALSE);
    g_assert_false(is_open(old));
    g_assert_cmpuint(share->left, ==, 2);

    /* One that was made again and is refused, too, is not made a third time. */
    mmrig_shares_put(&shares, share, loaded(&new));
    first = mmrig_shares_begin(&shares, share);
    g_assert_false(mmrig_shares_refused(&shares, share, share->generation, "never"));
    g_assert_cmpstr(share->why, ==, "never");
    mmrig_shares_end(&shares, share, first, FALSE);
    g_assert_false(is_open(new));
    g_assert_cmpuint(shares.idle, ==, 0);
    mmrig_shares_skip(&shares, share);
    mmrig_shares_skip(&shares, share);
    g_assert_cmpuint(share->left, ==, 0);
    mmrig_shares_clear(&shares);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/share/one-for-all", test_one_for_all);
    g_test_add_func("/share/few-idle", test_few_idle);
    g_test_add_func("/share/refused", test_refused);
    return g_test_run();
}
