# Asks the installed Mail::SpamAssassin about messages: one JSON object a line on stdout, one a message.
#
#   perl spamassassin.pl [--cf TEXT] [--site DIR] [--rules DIR] [--together] < LIST      (LIST: one path a line)
#
# Local tests only, no Bayes, no user preferences: what a rule set says by itself. `cpu` is the processor time of
# parsing and checking, seconds, start-up excluded.
#
# The answer is that of a process which judges this message alone. What a process keeps from one message to the next is
# a pattern with a %{TAG} in it: it is compiled once (`/o`), and goes on looking for the first message's tag. So a
# message is asked about again, in a process of its own, where such a rule hit, or where the tag's value occurs in its
# URIs at all: everywhere else neither the stale pattern nor the right one can have matched. --together leaves that out.
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
# The rules are compiled by a first message, SpamAssassin's own empty one, as spamd does it: else every child compiles
# them again. That message has no recipient, so it sets no tag.
$judge->compile_now(0, 0);
my $json = JSON::XS->new->ascii->canonical;
$| = 1;
print $json->encode({ version => Mail::SpamAssassin::Version() }), "\n";

# Rules with a %{TAG}, and what they look at.
my $templates = $judge->{conf}{capture_template_rules} || {};
my $uri_tests = $Mail::SpamAssassin::Conf::TYPE_URI_TESTS;

# Could this answer differ from that of a process of its own?
sub is_doubtful {
  my ($status, $hits) = @_;
  for my $rule (keys %$templates) {
    return 1 if $hits->{$rule};
    for my $tag (keys %{ $templates->{$rule} }) {
      my $value  = $status->get_tag_raw($tag);
      my @values = grep { defined $_ && $_ ne '' } (ref $value ? @$value : $value);
      next unless @values;
      return 1 if $judge->{conf}{test_types}{$rule} != $uri_tests;
      my $uris = lc join "\n", $status->get_uri_list();
      for (@values) { return 1 if index($uris, lc) >= 0 }
    }
  }
  return 0;
}

# The answer as a line; nothing where `alone` is false and the message must be asked about again.
sub judge {
  my ($path, $alone) = @_;
  open my $file, '<:raw', $path or return '';
  my $raw = do { local $/; <$file> };
  close $file;
  my $before  = clock();
  my $message = $judge->parse(\$raw, 1);
  my $status  = $judge->check($message);
  my $after   = clock();
  my $hits    = $status->{tests_already_hit};    # value 0: a meta that was worked out and is false
  my $answer  = $alone || !is_doubtful($status, $hits)
    ? $json->encode({
      file   => $path,
      score  => $status->get_score() + 0,
      hits   => { map { ($_ => $hits->{$_} + 0) } grep { $hits->{$_} } keys %$hits },
      scores => { map { ($_ => $status->{conf}{scores}{$_} + 0) } @{ $status->{test_names_hit} } },
      cpu    => $after - $before,
    })
    : undef;
  $status->finish;
  $message->finish;
  return $answer;
}

# Runs `work` in a child and gives its output line by line to `take`.
sub in_child {
  my ($work, $take) = @_;
  my $child = open(my $output, '-|') // die "cannot fork: $!\n";
  if (!$child) { $work->(); POSIX::_exit(0) }
  while (my $line = <$output>) { $take->($line) }
  close $output or die "a child failed: $?\n";
}

chomp(my @paths = <STDIN>);
if ($together) {
  print judge($_, 1), "\n" for @paths;
  exit 0;
}
in_child(
  sub {
    for my $path (@paths) {
      my $answer = judge($path, 0);
      print defined $answer ? "$answer\n" : "again $path\n";
    }
  },
  sub {
    my ($line) = @_;
    if ($line !~ /^again (.*)\n/) { print $line; return }
    my $path = $1;
    in_child(sub { print judge($path, 1), "\n" }, sub { print $_[0] });
  },
);
