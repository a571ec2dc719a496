/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "share-private.h"

static void share_free(gpointer data)
{
    MmrigShare *share = data;

    mmrig_template_free(share->template);
    g_free(share->name);
    g_free(share->why);
    g_free(share->silent);
    g_free(share);
}

void mmrig_shares_init(MmrigShares *shares)
{
    shares->by_name = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, share_free);
    shares->idle = 0;
}

void mmrig_shares_clear(MmrigShares *shares)
{
    g_clear_pointer(&shares->by_name, g_hash_table_unref);
}

MmrigShare *mmrig_shares_get(MmrigShares *shares, const char *name, guint runs)
{
    MmrigShare *share = g_hash_table_lookup(shares->by_name, name);

    if (!share) {
        share = g_new0(MmrigShare, 1);
        share->name = g_strdup(name);
        g_hash_table_insert(shares->by_name, share->name, share);
    }
    share->left += runs;
    return share;
}

/* Lets go of the template, if there is one. */
static void share_close(MmrigShares *shares, MmrigShare *share)
{
    if (share->template && share->users == 0)
        shares->idle--;
    g_clear_pointer(&share->template, mmrig_template_free);
}

void mmrig_shares_put(MmrigShares *shares, MmrigShare *share, MmrigTemplate *template)
{
    share_close(shares, share);
    share->template = template;
    if (share->users == 0)
        shares->idle++;
}

MmrigTemplate *mmrig_shares_begin(MmrigShares *shares, MmrigShare *share)
{
    if (share->users++ == 0)
        shares->idle--;
    return mmrig_template_ref(share->template);
}

void mmrig_shares_end(MmrigShares *shares, MmrigShare *share, MmrigTemplate *template,
                      gboolean last)
{
    mmrig_template_free(template);
    share->users--;
    if (share->users == 0 && share->template)
        shares->idle++;
    if (last)
        share->left--;
    if (share->users == 0 && (share->left == 0 || shares->idle > MMRIG_SHARES_IDLE))
        share_close(shares, share);
}

void mmrig_shares_skip(MmrigShares *shares, MmrigShare *share)
{
    share->left--;
    if (share->left == 0 && share->users == 0)
        share_close(shares, share);
}

gboolean mmrig_shares_refused(MmrigShares *shares, MmrigShare *share, guint generation,
                              const char *reason)
{
    if (generation < share->generation || share->why)
        return FALSE;
    share_close(shares, share);
    if (share->generation > 0) {
        share->why = g_strdup(reason);
        return FALSE;
    }
    share->generation++;
    share->made = FALSE;
    return TRUE;
}
