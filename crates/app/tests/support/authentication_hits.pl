# What SpamAssassin's plugins SPF, DKIM and DMARC hit, a line a mail: `perl authentication_hits.pl NAMESERVER PORT CONFIG FILE...`
# (FILE of - : names on standard input). Mail::DMARC asks by Net::DNS, which is told by RES_NAMESERVERS and RES_OPTIONS.
use strict;
use warnings;
use Mail::SpamAssassin;
my ($server, $port, $config, @files) = @ARGV;
$ENV{RES_NAMESERVERS} = $server;
$ENV{RES_OPTIONS} = "port:$port";
@files = map { chomp; $_ } <STDIN> if "@files" eq '-';
open my $in, '<', $config or die "$config: $!";
my $text = do { local $/; <$in> };
my $judge = Mail::SpamAssassin->new({
    rules_filename => '/nonexistent', site_rules_filename => '/nonexistent', userprefs_filename => '/nonexistent',
    dont_copy_prefs => 1, require_rules => 0, config_text => $text, local_tests_only => 0, debug => ($ENV{DBG} // 0),
    home_dir_for_helpers => '/tmp',
});
$judge->init(0);
$| = 1;
for my $file (@files) {
    open my $mail, '<:raw', $file or do { warn "$file: $!"; next };
    my $bytes = do { local $/; <$mail> };
    my $parsed = $judge->parse($bytes);
    my $status = $judge->check($parsed);
    my %hits = map { $_ => 1 } split /,/, $status->get_names_of_tests_hit() . ',' . ($status->get_names_of_subtests_hit() // '');
    print join("\t", $file, join ',', sort grep { /^(SPF|T_SPF|DKIM|ARC|DMARC|USER_IN|__DKIM|__RESIGNER)/ } keys %hits), "\n";
    $status->finish;
    $parsed->finish;
}
