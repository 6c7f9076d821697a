# SpamAssassin's own compiled patterns, one JSON object a line, for sa_scan.rs. Usage: perl dump_rules.pl OUT
use strict; use warnings; use Mail::SpamAssassin; use JSON::XS;
my $out=shift;
my $sa = Mail::SpamAssassin->new({ local_tests_only=>1, dont_copy_prefs=>1, userprefs_filename=>'/dev/null', home_dir_for_helpers=>"/tmp/sa-home", post_config_text=>"use_bayes 0\nuse_auto_welcomelist 0\n"});
$sa->init(1); my $c=$sa->{conf};
my $js=JSON::XS->new->canonical->ascii; open my $o,'>',$out or die;
for my $type (qw(body rawbody full uri head)) { my $h=$c->{"${type}_tests"}; for my $pri (keys %$h) { for my $n (keys %{$h->{$pri}}) {
  my $q=$c->{test_qrs}{$n}; next unless defined $q;
  my $t=$c->{tflags}{$n}||''; my ($max)=$t=~/maxhits=(\d+)/;
  my $s="$q"; utf8::encode($s) if utf8::is_utf8($s);
  print $o $js->encode({type=>$type,name=>$n,qr=>$s,multiple=>($t=~/\bmultiple\b/?1:0),maxhits=>($max||0)+0,nosubject=>($t=~/\bnosubject\b/?1:0),
   header=>$c->{test_opt_header}{$n}, unset=>$c->{test_opt_unset}{$n}, neg=>(exists $c->{test_opt_neg}{$n}?1:0), exists=>(exists $c->{test_opt_exists}{$n}?1:0), template=>(exists $c->{capture_template_rules}{$n}?1:0)}),"\n"; } } }
