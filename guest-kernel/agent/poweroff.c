/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An init that does nothing but power off: the baseline of `mmrig bench boot`. */
#include <sys/reboot.h>

int main(void)
{
    return reboot(RB_POWER_OFF);
}
