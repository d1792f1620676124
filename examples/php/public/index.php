<?php echo "release 1\n";
