# SpamAssassin's own Bayes under TREC's protocol: judges each message, then learns what it is.
# In: a folder for its data base as argument; on standard input a line `spam PATH` or `ham PATH` for each message.
# Out: for each message the probability of spam that its Bayes gives, before it learnt it.
# One process, so that what is measured is the learner and not Perl's start. No rules but the ones that ask it.
use strict;
use warnings;
use Mail::SpamAssassin;

my ($folder) = @ARGV;
my $rules = join "\n",
    'loadplugin Mail::SpamAssassin::Plugin::Bayes',
    'body BAYES_ASKED eval:check_bayes(\'0.00\', \'1.00\')', 'tflags BAYES_ASKED learn', 'score BAYES_ASKED 0.001',
    'use_bayes 1', 'bayes_auto_learn 0', 'bayes_learn_to_journal 0', 'bayes_auto_expire 0',
    # Judged from the first lessons on, as the others are.
    'bayes_min_ham_num 1', 'bayes_min_spam_num 1',
    "bayes_path $folder/bayes", 'lock_method flock', 'use_auto_whitelist 0', '';
# Its list of domains, of fields to ignore and of stop words, where it is installed.
for my $name ('20_aux_tlds.cf', '23_bayes_ignore_header.cf', '60_bayes_stopwords.cf') {
    open my $file, '<', "/usr/share/spamassassin/$name" or next;
    $rules .= join '', <$file>;
    close $file;
}
my $sa = Mail::SpamAssassin->new({
    config_text => "loadplugin Mail::SpamAssassin::Plugin::Check\n$rules", dont_copy_prefs => 1,
    local_tests_only => 1, userprefs_filename => undef, userstate_dir => $folder,
});
$sa->init(1);
$| = 1;
while (my $line = <STDIN>) {
    chomp $line;
    my ($class, $path) = split / /, $line, 2;
    open my $file, '<:raw', $path or die "$path: $!";
    my @lines = <$file>;
    close $file;
    my $mail = $sa->parse(\@lines);
    my $status = $sa->check($mail);
    my $score = $status->{bayes_score};
    printf "%.9f\n", defined $score ? $score : 0.5;
    $status->finish;
    $sa->init_learner({ wait_for_lock => 1, caller_will_untie => 0 });
    $sa->learn($mail, undef, $class eq 'spam' ? 1 : 0, 0)->finish;
    $sa->finish_learner;
    $mail->finish;
}
