// Rules of which clamscan says what sekisho must say. One a line.
rule p1 { strings: $a = "hello world alpha" condition: $a }
rule r_plain { strings: $a = /hel+o w/ condition: $a }
rule r_upper { strings: $a = /HEL+O W/ condition: $a }
rule r_dot { strings: $a = /world.alpha/ condition: $a }
rule r_nos { strings: $a = /up.more/ condition: $a }
rule r_caret { strings: $a = /^more/ condition: $a }
rule r_and { strings: $a = /hel+o w/ $b = "alpha" condition: $a and $b }
rule r_count1 { strings: $a = /l/ condition: #a == 1 }
rule r_at { strings: $a = /wor/ condition: $a at 6 }
rule r_short { strings: $a = /l/ condition: $a }
rule r_ascii { strings: $a = /hel+o w/ ascii condition: $a }
rule r_x { strings: $a = /\x68ello/ condition: $a }
rule c_ov { strings: $a = "ll" nocase condition: #a == 1 }
rule c_l { strings: $a = "aa" condition: #a == 3 }
rule n_i { strings: $a = "HELLO wOrld" nocase condition: $a }
rule n_cnt { strings: $a = "hello" nocase condition: #a == 2 }
rule w_cnt { strings: $a = "hello" wide ascii condition: #a == 2 }
rule of_in { strings: $a = "hello" $b = "zzzz" condition: for any of ($a,$b) : ($ in (0..3)) }
rule undefoff { strings: $a = "zzzzz" condition: @a == 0 or @a < 5 }
rule undefnot { strings: $a = "zzzzz" condition: not (@a[1] == 0) }
rule off2 { strings: $a = "zzzzz" $b = "hello" condition: $b and @a[1] != 7 }
rule int1 { strings: $b = "hello" condition: $b and not (uint8(100000) == 0) }
rule int2 { strings: $b = "hello" condition: $b and uint8(100000) != 3 }
rule ep1 { strings: $b = "hello" condition: $b and entrypoint == 0 }
rule ep2 { strings: $b = "hello" condition: $b and not (entrypoint == 0) }
rule ep3 { strings: $b = "hello" condition: $b and $b at entrypoint }
rule atcnt { strings: $b = "hello" condition: $b at (#b - 1) }
rule intneg { strings: $b = "hello" condition: $b and int8(0) < 0x70 }
rule fs { strings: $b = "hello" condition: $b and filesize == 64 }
rule fs2 { strings: $b = "hello" condition: $b and filesize == 66 }
rule hexa { strings: $a = { 68 65 6C ( 6C | 6D 6D ) 6F 20 [0-4] 6F 72 } condition: $a }
rule hexoffs { strings: $a = { 6C 6C ?? 20 [-] 61 6C } condition: @a == 2 }
rule hexlow { strings: $a = { 68 65 6c 6c 6F [4-6] 64 20 } condition: $a }
rule hexjump02 { strings: $a = { 68 65 [0-2] 6c 6f } condition: $a }
rule hexq { strings: $a = { 68 65 ?? ?? 6f 20 } condition: $a }
rule hexaltnest { strings: $a = { 68 65 ( 6c ( 6c | 6d ) | 41 ) 6f } condition: $a }
rule hexaltjump { strings: $a = { 68 65 ( 6c [1] 6f | 41 ) 20 } condition: $a }
rule hexaltend { strings: $a = { 68 65 6c ( 6c | 6d ) } condition: $a }
rule hexempty { strings: $a = { 68 65 } condition: $a }
rule shl { strings: $b = "hello" condition: $b and 1 << 2 == 4 and 8 >> 1 == 4 }
rule prec { strings: $b = "hello" condition: $b and 1 + 2 * 3 == 7 and 6 & 3 == 2 }
rule prec2 { strings: $b = "hello" $c = "zzzzz" $d = "yyyyy" condition: $b or $c and $d }
rule ne { strings: $b = "hello" condition: $b and 3 != 4 and 3 <= 3 and not 4 < 3 }
rule tilde { strings: $b = "hello" condition: $b and ~1 & 3 == 2 }
rule pct { strings: $b = "hello" condition: $b and 7 % 4 == 3 }
rule for2 { strings: $a = "hello" $b = "world" $c = "alpha" condition: for 2 of ($a, $b, $c) : ( @ > 3 ) }
rule ofexpr { strings: $a = "hello" $b = "world" $c = "zzzzz" condition: (1+1) of them }
rule ofhash { strings: $a = "hello" $b = "world" condition: #a of them }
rule mb { strings: $a = "hello" condition: $a and filesize < 1MB and filesize < 0x100000 }
rule bigat { strings: $a = "hello" condition: $a at 0 or $a at 99999999999 }
rule _under { strings: $_a = "hello" condition: $_a }
rule full3 { strings: $a = " world" fullword condition: $a }
rule full4 { strings: $a = "hello" fullword nocase condition: $a }
rule full5 { strings: $a = "hello" fullword condition: $a at 0 }
rule e_tab { strings: $a = "\tx\n\\\"" condition: $a }
rule last { strings: $a = "hello" condition: $a }
rule meta_tags : foo bar { meta: x = "y" n = 3 b = true strings: $a = "hello" condition: $a }
rule wide_ { strings: $a = "hello" wide condition: $a }
rule wideascii { strings: $a = "hello" wide ascii condition: $a }
rule fullword_ { strings: $a = "hell" fullword condition: $a }
rule hexjumpinf { strings: $a = { 68 65 6c [-] 77 6f 72 } condition: $a }
rule hexbigjump { strings: $a = { 68 65 [0-300] 61 6c } condition: $a }
rule hexnib { strings: $a = { 68 6? ?c 6c 6f } condition: $a }
rule hexstart { strings: $a = { ?? 68 65 6c 6c } condition: $a }
rule hexend { strings: $a = { 68 65 6c 6c ?? } condition: $a }
rule hexupper { strings: $a = { 48 45 4C 4C 4f } condition: $a }
rule short2 { strings: $a = "he" condition: $a }
rule filesizeonly { strings: $a = "zzzzz" condition: filesize > 10 or $a }
rule nota { strings: $a = "hello" condition: not $a }
rule nota2 { strings: $a = "hello" $b = "beta" condition: $b and not $a }
rule counte { strings: $a = "te" condition: #a == 2 }
rule overlapping { strings: $a = "aa" condition: #a == 5 }
rule at7 { strings: $a = "world" condition: $a at 7 }
rule in2 { strings: $a = "world" condition: $a in (0..5) }
rule twoof { strings: $a = "hello" $b = "alpha" $c = "qqqq" condition: 2 of them }
rule ofset { strings: $x1 = "hello" $x2 = "alpha" $c = "qqqq" condition: all of ($x*) or $c }
rule forof { strings: $a = "hello" $b = "world" condition: for any of them : ( $ at 6 ) }
rule forin { strings: $a = "world" condition: for any i in (1..#a) : ( @a[i] == 6 ) }
rule forinlist { strings: $a = "world" condition: for any i in (3,6,7) : ( $a at i ) }
rule private_ { strings: $a = "world" condition: $a }
private rule silent { strings: $a = "world" condition: $a }
rule refers { strings: $a = "hello" condition: $a and silent }
rule refers_not { strings: $a = "hello" condition: $a and not private_ }
global rule other_global { strings: $a = "zzzzzz" condition: $a }
rule only_refers { strings: $z = "zzzzz" condition: private_ or $z }
rule anonymous { strings: $ = "hello" $ = "world" condition: all of them }
rule escaped { strings: $a = "hello\x20world" $b = "hello \"world" condition: $a or $b }
rule zero { strings: $a = "hello\x00world" condition: $a }
rule beyond_end { strings: $a = "world" condition: uint8(100000) == 0 or $a }
rule subject { strings: $a = "alpha subject" condition: $a }
rule normalised { strings: $a = "beta body text" condition: $a }
rule wildcard { strings: $a = "hello" $b1 = "qq" condition: $a and not any of ($b*) }
rule expression_end { strings: $a = /bit\n$/ condition: $a }
rule expression_words { strings: $a = /\bworld\b/ condition: $a }
rule expression_lazy { strings: $a = /hel+?o/ condition: $a }
rule expression_short { strings: $a = /o.w/ condition: $a }
rule number { strings: $a = "world" condition: uint16(0) == 0x6568 and $a }
rule number_alone { strings: $a = "zzzzzz" condition: uint16(0) == 0x6568 or $a }
rule number_signed { strings: $a = "world" condition: int8(0) == 0x68 and uint8(1) == 0x65 and $a }
rule numbers { strings: $a = "hello" condition: for all i in (0..2) : ( uint8(i) > 0x60 ) and $a }
