#!/bin/sh
# Counts the tests that `skip` has written to a file, and says which they are, by reason. A test that
# was run twice is one.
set -eu
echo "$(sort -u "$1" | wc -l) skipped"
sort -u "$1" | awk -F '\t' '
    function tell() { if (count) print "  " reason " (" count "):" tests }
    $1 != reason { tell(); reason = $1; tests = ""; count = 0 }
    { tests = tests "\n    " $2; count++ }
    END { tell() }'
