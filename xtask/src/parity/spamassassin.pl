# Asks the installed Mail::SpamAssassin about messages: one JSON object a line on stdout, one a message.
#
#   perl spamassassin.pl [--cf TEXT] [--site DIR] [--rules DIR] [--together] < LIST      (LIST: one path a line)
#
# Local tests only, no Bayes, no user preferences: what a rule set says by itself. `cpu` is the processor time of
# parsing and checking, seconds, start-up excluded.
use strict;
use warnings;
use Getopt::Long;
use JSON::XS;
use Mail::SpamAssassin;
use POSIX ();
use Time::HiRes qw(clock);

my ($cf, $site, $rules, $together) = ('', undef, undef, 0);
GetOptions('cf=s' => \$cf, 'site=s' => \$site, 'rules=s' => \$rules, 'together' => \$together) or die "bad options\n";

my $judge = Mail::SpamAssassin->new({
  local_tests_only   => 1,
  dont_copy_prefs    => 1,
  userprefs_filename => '/dev/null',
  (defined $rules ? (rules_filename => $rules) : ()),
  (defined $site ? (site_rules_filename => $site) : ()),
  post_config_text   => "use_bayes 0\nbayes_auto_learn 0\ntime_limit 0\n$cf\n",
});
$judge->init(1);
my $json = JSON::XS->new->ascii->canonical;
$| = 1;
print $json->encode({ version => Mail::SpamAssassin::Version() }), "\n";

sub judge {
  my ($path) = @_;
  open my $file, '<:raw', $path or return;
  my $raw = do { local $/; <$file> };
  close $file;
  my $before  = clock();
  my $message = $judge->parse(\$raw, 1);
  my $status  = $judge->check($message);
  my $after   = clock();
  my $hits    = $status->{tests_already_hit};    # value 0: a meta that was worked out and is false
  print $json->encode({
    file   => $path,
    score  => $status->get_score() + 0,
    hits   => { map { ($_ => $hits->{$_} + 0) } grep { $hits->{$_} } keys %$hits },
    scores => { map { ($_ => $status->{conf}{scores}{$_} + 0) } @{ $status->{test_names_hit} } },
    cpu    => $after - $before,
  }), "\n";
  $status->finish;
  $message->finish;
}

while (my $path = <STDIN>) {
  chomp $path;
  if ($together) { judge($path); next }
  # A process for each message, as the command has: SpamAssassin compiles some patterns once a process (`/o`), and
  # a rule with a %{TAG} in it would go on looking for the first message's tag.
  my $child = open(my $answer, '-|') // die "cannot fork: $!\n";
  if (!$child) { judge($path); POSIX::_exit(0) }
  print while <$answer>;
  close $answer;
}
