# What learning costs elsewhere: SpamAssassin's Bayes and rspamd's on Redis, on the mail on which `cargo bench -p
# sekisho-learn --bench cost` measures ours.
#
#   SEKISHO_DATA=... perl benches/peers/learners.pl [MESSAGES]
#
# Processor time, not the clock's: of SpamAssassin in this process, of rspamd and its Redis in theirs. SpamAssassin's
# figures are of its Bayes alone, the message parsed and rendered before, as ours are; rspamd's are the difference between
# the same requests with its classifier and without. Half of the messages is learnt, the other half judged.
# rspamd: `scripts/beside.sh rspamd libhyperscan5 libluajit2-5.1-2 libunwind8 libsodium23`. What is not there is left out.
use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use HTTP::Tiny;
use IO::Socket::INET;
use Time::HiRes qw(sleep);

my $data = $ENV{SEKISHO_DATA} or do { print "skipped: SEKISHO_DATA names no folder of mail\n"; exit };
my $count = $ARGV[0] // 400;
my $beside = $ENV{SEKISHO_BESIDE} // dirname(abs_path($0)) . '/../../target/tools/beside';
my $folder = tempdir(CLEANUP => 1);
chmod 0777, $folder;
my @children;
END { local $?; kill 'TERM', @children; waitpid $_, 0 for @children }

# As many of the corpus as are wanted, evenly, with what they are.
open my $index, '<', "$data/sa-corpus/index" or die "$data/sa-corpus/index: $!";
chomp(my @all = <$index>);
my $step = @all / $count;
my @mails = map { my ($class, $name) = split / /, $all[int($_ * $step)], 2; [$class, "$data/sa-corpus/$name"] } 0 .. $count - 1;
my @taught = @mails[grep { $_ % 2 } 0 .. $#mails];
my @judged = @mails[grep { !($_ % 2) } 0 .. $#mails];
my $bytes = 0;
for (@mails) { $bytes += -s $_->[1] }
printf "%d messages of sa-corpus, %.1f kB each; %d learnt, %d judged\n", $count, $bytes / $count / 1000, scalar @taught, scalar @judged;

sub content {
    my ($path) = @_;
    open my $file, '<:raw', $path or die "$path: $!";
    local $/;
    return scalar <$file>;
}

sub spamassassin {
    eval { require Mail::SpamAssassin; 1 } or return print "SpamAssassin: not here\n";
    my $sa = Mail::SpamAssassin->new({
        post_config_text => "use_bayes 1\nbayes_auto_learn 0\nbayes_auto_expire 0\nbayes_min_ham_num 1\nbayes_min_spam_num 1\n"
            . "bayes_path $folder/bayes\nlock_method flock\nuse_auto_whitelist 0\n",
        dont_copy_prefs => 1, local_tests_only => 1, userprefs_filename => '/dev/null', userstate_dir => $folder,
    });
    $sa->init(1);
    my $bayes = $sa->call_plugins('learner_get_implementation');
    my $used = sub { my ($user, $system) = times; $user + $system };
    my ($learning, $judging) = (0, 0);
    for my $mail (@taught) {
        my $message = $sa->parse([split /(?<=\n)/, content($mail->[1])]);
        my $status = Mail::SpamAssassin::PerMsgStatus->new($sa, $message);
        $message->extract_message_metadata($status);
        $bayes->_get_msgdata_from_permsgstatus($status);
        $sa->init_learner({ wait_for_lock => 1, caller_will_untie => 1 });
        my $before = $used->();
        $bayes->learn_message({ isspam => $mail->[0] eq 'spam', msg => $message });
        $learning += $used->() - $before;
        $status->finish;
        $message->finish;
    }
    $sa->finish_learner;
    my $size = (-s "$folder/bayes_toks") + (-s "$folder/bayes_seen");
    for my $mail (@judged) {
        my $message = $sa->parse([split /(?<=\n)/, content($mail->[1])]);
        my $status = Mail::SpamAssassin::PerMsgStatus->new($sa, $message);
        $message->extract_message_metadata($status);
        $bayes->_get_msgdata_from_permsgstatus($status);
        my $before = $used->();
        $bayes->scan($status, $message);
        $judging += $used->() - $before;
        $status->finish;
        $message->finish;
    }
    printf "SpamAssassin %s: %.2f ms to judge, %.2f ms to learn, %.0f lessons a second, %.1f kB of data base a lesson\n",
        Mail::SpamAssassin::Version(), 1e3 * $judging / @judged, 1e3 * $learning / @taught, @taught / $learning,
        $size / @taught / 1000;
}

sub free_port {
    my $socket = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1') or die $!;
    return $socket->sockport;
}

sub start {
    my @command = @_;
    my $id = fork // die $!;
    if (!$id) {
        open STDOUT, '>', "$folder/log-" . ($command[0] =~ s{.*/}{}r);
        open STDERR, '>&', \*STDOUT;
        exec @command or die "$command[0]: $!";
    }
    push @children, $id;
    return $id;
}

sub wait_for {
    my ($port) = @_;
    for (1 .. 1500) {
        return if IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port);
        sleep 0.2;
    }
    print STDERR content($_) for glob "$folder/log-* $folder/rspamd/*.log";
    die "nobody answers at $port\n";
}

# Processor seconds of processes and all that came of them.
sub processor {
    my %wanted = map { $_ => 1 } @_;
    my (%parent, %ticks);
    for my $stat (glob '/proc/[0-9]*/stat') {
        open my $file, '<', $stat or next;
        my $line = <$file> // next;
        my ($id) = $line =~ /^(\d+)/;
        my @field = split ' ', $line =~ s/.*\) //r;
        ($parent{$id}, $ticks{$id}) = ($field[1], $field[11] + $field[12]);
    }
    for (1 .. 3) { $wanted{$_}++ for grep { $wanted{ $parent{$_} } } keys %parent }
    my $sum = 0;
    $sum += $ticks{$_} // 0 for keys %wanted;
    return $sum / 100;
}

sub redis {
    my ($port, @words) = @_;
    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) or die $!;
    print $socket join '', '*' . @words . "\r\n", map { '$' . length($_) . "\r\n$_\r\n" } @words;
    my ($length) = (<$socket> // '') =~ /^\$(\d+)/ or return '';
    read $socket, my ($answer), $length;
    return $answer;
}

sub rspamd {
    my $program = "$beside/usr/bin/rspamd";
    return print "rspamd: not here (scripts/beside.sh)\n" unless -x $program;
    my ($redis_port, $normal, $controller) = (free_port(), free_port(), free_port());
    my $redis = start('redis-server', '--port', $redis_port, '--bind', '127.0.0.1', '--save', '', '--dir', $folder);
    my ($share, $own) = ("$beside/usr/share/rspamd", "$folder/rspamd");
    mkdir $own; chmod 0777, $own;
    system 'cp', '-r', "$beside/etc/rspamd", "$folder/etc";
    system 'rm', '-rf', "$folder/etc/override.d", "$folder/etc/local.d";    # of who measured before
    mkdir "$folder/etc/$_" for 'override.d', 'local.d';
    my %files = (
        'worker-normal.inc' => "bind_socket = \"127.0.0.1:$normal\";\ncount = 1;\nenabled = true;\n",
        'worker-controller.inc' => "bind_socket = \"127.0.0.1:$controller\";\ncount = 1;\nenabled = true;\nsecure_ip = \"127.0.0.1\";\n",
        'worker-proxy.inc' => "enabled = false;\n", 'worker-fuzzy.inc' => "enabled = false;\n",
        'redis.conf' => "servers = \"127.0.0.1:$redis_port\";\n",
        'classifier-bayes.conf' => "backend = \"redis\";\nservers = \"127.0.0.1:$redis_port\";\nmin_learns = 1;\nautolearn = false;\n",
        'spamassassin.conf' => "enabled = false;\n",
        # Compiling its patterns and thousands of public suffixes takes minutes and changes little here.
        'options.inc' => "disable_hyperscan = true;\nurl_tld = \"$folder/tlds\";\ndns { nameserver = [\"127.0.0.1:9\"]; timeout = 0.05s; retransmits = 0; }\n",
    );
    $files{"$_.conf"} = "enabled = false;\n" for qw(antivirus arc asn clickhouse dkim dkim_signing dmarc elastic external_services
        fuzzy_check greylist hfilter history_redis metadata_exporter mx_check neural phishing ratelimit rbl replies reputation
        spamtrap spf surbl url_redirector whitelist);
    open my $tlds, '>', "$folder/tlds" or die $!;
    print $tlds join "\n", qw(com net org edu gov mil info biz name jp us uk de fr it nl ru cn kr tw au ca br ch se), '';
    close $tlds;
    for my $name (keys %files) {
        open my $file, '>', "$folder/etc/override.d/$name" or die $!;
        print $file $files{$name};
        close $file;
    }
    my $libraries = (glob "$beside/usr/lib/*-linux-gnu")[0] // '';
    local $ENV{LD_LIBRARY_PATH} = "$libraries:$beside/usr/lib/rspamd";
    my %place = (CONFDIR => "$folder/etc", LOCAL_CONFDIR => "$folder/etc", RUNDIR => $own, DBDIR => $own, LOGDIR => $own,
        PLUGINSDIR => "$share/plugins", RULESDIR => "$share/rules", LUALIBDIR => "$share/lualib", WWWDIR => "$share/www",
        SHAREDIR => $share);
    my $rspamd = start($program, '-f', '-i', '-u', 'nobody', '-g', 'nogroup', '-c', "$folder/etc/rspamd.conf",
        map { "--var=$_=$place{$_}" } sort keys %place);
    wait_for($_) for $redis_port, $normal, $controller;
    # It goes on compiling patterns while it already answers.
    for (1 .. 200) {
        my $before = processor($rspamd);
        sleep 3;
        last if processor($rspamd) - $before < 0.05;
    }
    my $http = HTTP::Tiny->new(timeout => 120);
    my $used = sub { processor($rspamd, $redis) };
    my $ask = sub {
        my ($port, $path, $mail, $settings) = @_;
        my $headers = $settings ? { Settings => $settings } : {};
        return $http->post("http://127.0.0.1:$port/$path", { content => content($mail->[1]), headers => $headers });
    };
    my $memory = sub { (redis($redis_port, 'INFO', 'memory') =~ /used_memory:(\d+)/)[0] };
    $ask->($controller, 'learnspam', $judged[0]);    # its scripts are in Redis then
    my $empty = $memory->();
    my ($before, $learnt) = ($used->(), 0);
    $learnt += $ask->($controller, $_->[0] eq 'spam' ? 'learnspam' : 'learnham', $_)->{success} ? 1 : 0 for @taught;
    my $learning = $used->() - $before;
    return print "rspamd: learnt nothing\n" unless $learnt;
    my $size = $memory->() - $empty;
    my ($without, $with, $found) = (0, 0, 0);
    for my $round (1, 2) {
        for my $side (0, 1) {
            my $settings = $side ? '{"symbols_enabled":["BAYES_SPAM","BAYES_HAM"]}' : '{"symbols_enabled":["NONE_OF_THEM"]}';
            my $began = $used->();
            for my $mail (@judged) {
                my $answer = $ask->($normal, 'checkv2', $mail, $settings);
                $found += ($answer->{content} // '') =~ /BAYES_(?:SPAM|HAM)/ if $side;
            }
            ($side ? $with : $without) += $used->() - $began;
        }
    }
    printf "rspamd: %.2f ms to judge (%.2f with parsing the message and HTTP), %.2f ms to learn (with both), %.0f lessons a second, "
        . "%.1f kB of Redis a lesson; %d of %d learnt, %d of %d judged by it\n",
        1e3 * ($with - $without) / @judged / 2, 1e3 * $with / @judged / 2, 1e3 * $learning / $learnt, $learnt / $learning,
        $size / $learnt / 1000, $learnt, scalar @taught, $found / 2, scalar @judged;
}

spamassassin();
rspamd();
