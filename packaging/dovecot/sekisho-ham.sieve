# A message was taken out of the mailbox for spam: it is not spam, unless it went to the rubbish or to another such mailbox.
require ["vnd.dovecot.pipe", "copy", "imapsieve", "environment", "variables"];

if environment :matches "imap.mailbox" "*" { set "mailbox" "${1}"; }
if string :matches "${mailbox}" [
    "Trash", "*/Trash", "*.Trash", "Deleted *", "*/Deleted *", "*.Deleted *",
    "Junk", "*/Junk", "*.Junk", "Spam", "*/Spam", "*.Spam",
    "ごみ箱", "*/ごみ箱", "*.ごみ箱", "ゴミ箱", "*/ゴミ箱", "*.ゴミ箱", "削除済み*", "*/削除済み*", "*.削除済み*",
    "迷惑メール", "*/迷惑メール", "*.迷惑メール"
] {
    stop;
}
if environment :matches "imap.user" "*" { set "user" "${1}"; }
pipe :copy :try "sekisho-learn" ["ham", "${user}"];
