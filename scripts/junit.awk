# SPDX-License-Identifier: GPL-2.0-or-later
#
# CTest's JUnit report to lines of "pass|fail|skip TAB name TAB reason": one for each test, and one
# for each case inside of a test that its output calls skipped (TAP: "ok 3 name # SKIP why").

function unescape(text)
{
    gsub(/&lt;/, "<", text)
    gsub(/&gt;/, ">", text)
    gsub(/&quot;/, "\"", text)
    gsub(/&apos;/, "'", text)
    gsub(/&amp;/, "\\&", text)
    return text
}

function attribute(line, key,    at)
{
    at = index(line, " " key "=\"")
    if (at == 0)
        return ""
    line = substr(line, at + length(key) + 3)
    return unescape(substr(line, 1, index(line, "\"") - 1))
}

/<testcase / {
    name = attribute($0, "name")
    status = attribute($0, "status")
    message = reason = ""
    inner = 0
}

/<(failure|skipped) / {
    message = attribute($0, "message")
}

{
    line = $0
    sub(/^[ \t]*<system-out>/, "", line)
}

line ~ /^[ \t]*ok [0-9]+ .*# SKIP/ {
    line = unescape(line)
    reason = line
    sub(/.*# SKIP */, "", reason)
    sub(/ *# SKIP.*/, "", line)
    sub(/^[ \t]*ok [0-9]+ (- )?/, "", line)
    gsub(/\t/, " ", line)
    gsub(/\t/, " ", reason)
    inner++
    inner_name[inner] = line
    inner_reason[inner] = reason
}

/<\/testcase>/ {
    if (status == "run") {
        print "pass\t" name "\t"
        for (i = 1; i <= inner; i++)
            print "skip\t" name "/" inner_name[i] "\t" inner_reason[i]
    } else if (status == "fail" || message !~ /^SKIP_/) {
        print "fail\t" name "\t" message
    } else {
        print "skip\t" name "\t" (reason != "" ? reason : message)
    }
}
