# SpamAssassin's Bayes, asked by `cargo xtask bayes`.
# In: a folder for its data base as first argument, lines of configuration as second; on standard input one order a line:
#   spam PATH, ham PATH   learn it
#   judge PATH            say what its Bayes makes of it: a number, or - where it has no say
#   tokens PATH           say its tokens as hexadecimal numbers, separated by blanks
#   backup FILE           write what `sa-learn --backup` writes
# Out: a line for each judge and each tokens.
# One process with SpamAssassin's own rules, so that what is compared is the learner and not Perl's start.
use strict;
use warnings;
use Mail::SpamAssassin;

my ($folder, $more) = @ARGV;
my $sa = Mail::SpamAssassin->new({
    post_config_text => join("\n",
        'use_bayes 1', 'bayes_auto_learn 0', 'bayes_learn_to_journal 0', 'bayes_auto_expire 0',
        "bayes_path $folder/bayes", 'lock_method flock', 'use_auto_whitelist 0', $more // '', ''),
    dont_copy_prefs => 1, local_tests_only => 1, userprefs_filename => '/dev/null', userstate_dir => $folder,
});
$sa->init(1);
my $bayes = $sa->call_plugins('learner_get_implementation') or die 'no Bayes';
$| = 1;

sub parsed {
    my ($path) = @_;
    open my $file, '<:raw', $path or die "$path: $!";
    my @lines = <$file>;
    close $file;
    return $sa->parse(\@lines);
}

sub with_status {
    my ($path, $work) = @_;
    my $mail = parsed($path);
    my $status = Mail::SpamAssassin::PerMsgStatus->new($sa, $mail);
    $mail->extract_message_metadata($status);
    my $answer = $work->($status, $mail);
    $status->finish;
    $mail->finish;
    print "$answer\n";
}

while (my $line = <STDIN>) {
    chomp $line;
    my ($order, $path) = split / /, $line, 2;
    if ($order eq 'judge') {
        with_status($path, sub {
            my $score = $bayes->scan(@_);
            return defined $score ? sprintf('%.10f', $score) : '-';
        });
    } elsif ($order eq 'tokens') {
        with_status($path, sub {
            my ($status, $mail) = @_;
            my $tokens = $bayes->tokenize($mail, $bayes->_get_msgdata_from_permsgstatus($status));
            return join ' ', map { unpack 'H*', $_ } sort values %$tokens;
        });
    } elsif ($order eq 'backup') {
        open my $file, '>', $path or die "$path: $!";
        my $before = select $file;
        $sa->init_learner({});
        $bayes->{store}->backup_database or die 'no backup';
        select $before;
        close $file;
        $sa->finish_learner;
    } else {
        my $mail = parsed($path);
        $sa->init_learner({ wait_for_lock => 1, caller_will_untie => 0 });
        $sa->learn($mail, undef, $order eq 'spam' ? 1 : 0, 0)->finish;
        $sa->finish_learner;
        $mail->finish;
    }
}
