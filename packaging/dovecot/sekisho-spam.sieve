# A message was put into the mailbox for spam: it is spam.
require ["vnd.dovecot.pipe", "copy", "imapsieve", "environment", "variables"];

if environment :matches "imap.user" "*" { set "user" "${1}"; }
pipe :copy :try "sekisho-learn" ["spam", "${user}"];
