#!/usr/bin/perl
# What SpamAssassin's parser and renderer make of messages: one JSON object a message, for compare_views and compare_html.
# usage: dump_views.pl OUT.jsonl < list-of-files
# Strings are bytes, written with one character a byte. Leaves $/ alone: SpamAssassin's parser depends on it.
use strict;
use warnings;
use Mail::SpamAssassin;
use Mail::SpamAssassin::Message;
use JSON::PP;

my $out = shift or die "usage: $0 OUT.jsonl < list-of-files\n";
my $json = JSON::PP->new->canonical->ascii->allow_nonref;

sub octets { my $s = shift; utf8::encode($s) if defined $s && utf8::is_utf8($s); $s }
sub plain {
    my $v = shift;
    return { map { octets($_) => plain($v->{$_}) } keys %$v } if ref $v eq 'HASH';
    return [ map { plain($_) } @$v ] if ref $v eq 'ARRAY';
    return octets($v);
}

my ($source, $characters);
{
    no warnings 'redefine';
    my $parse = \&Mail::SpamAssassin::HTML::parse;
    *Mail::SpamAssassin::HTML::parse = sub {
        ($source, $characters) = (octets($_[1]), utf8::is_utf8($_[1]) ? 1 : 0);
        $parse->(@_);
    };
}

open my $dump, '>', $out or die "$out: $!\n";
while (my $file = <STDIN>) {
    chomp $file;
    open my $fh, '<:raw', $file or next;
    my $raw = do { local $/; <$fh> };
    my $message = Mail::SpamAssassin::Message->new({
        message => \$raw, parsenow => 1, normalize => 1,
        body_part_scan_size => 50_000, rawbody_part_scan_size => 500_000,
    });
    $message->parse_body;
    my @parts;
    for my $part ($message->find_parts(qr/./, 1)) {
        undef $source;
        my ($type, $text) = $part->rendered;
        my %p = (type => octets($part->{type}));
        @p{qw(rtype rendered u)} = ($type, octets($text), utf8::is_utf8($text) ? 1 : 0) if defined $type;
        if (defined $source) {
            @p{qw(in inu len)} = ($source, $characters, length $part->decode);
            $p{vis} = octets(($part->visible_rendered)[1]);
            $p{invis} = octets(($part->invisible_rendered)[1]);
            $p{html} = plain($part->{html_results});
        }
        $p{dec} = $part->decode if $part->effective_type =~ /^(?:text|message)\b/ && $part->{type} ne 'text/calendar';
        push @parts, \%p;
    }
    print $dump $json->encode({
        file => $file, parts => \@parts, subject => octets(scalar $message->get_header('subject')),
        body => plain($message->get_rendered_body_text_array),
        vbody => plain($message->get_visible_rendered_body_text_array),
        ibody => plain($message->get_invisible_rendered_body_text_array),
        rawbody => plain($message->get_decoded_body_text_array),
    }), "\n";
    $message->finish;
}
