//! What comes of conditions. Rows that name a file are those of the conformance tests of the
//! specification (<https://github.com/google/cel-spec/tree/master/tests/simple/testdata>).

use super::*;

const TRUE: Result<bool, Fault> = Ok(true);
const FALSE: Result<bool, Fault> = Ok(false);
const ABSENT: Result<bool, Fault> = Err(Fault::Absent);
const TYPE: Result<bool, Fault> = Err(Fault::Type);
const RANGE: Result<bool, Fault> = Err(Fault::Range);
const TEXT: Result<bool, Fault> = Err(Fault::Text);

#[test]
fn logic_has_three_values() {
    // An error, and something that is no bool, both known only when it is decided.
    let operands = [
        ("true", TRUE),
        ("false", FALSE),
        ("token.claims.absent", ABSENT),
        ("token.claims.name", TYPE),
    ];
    for (one, first) in operands {
        for (two, second) in operands {
            let fault = first.err().or(second.err());
            let either = |decides| first == Ok(decides) || second == Ok(decides);
            let both = match (either(false), fault) {
                (true, _) => FALSE,
                (false, Some(fault)) => Err(fault),
                (false, None) => TRUE,
            };
            let any = match (either(true), fault) {
                (true, _) => TRUE,
                (false, Some(fault)) => Err(fault),
                (false, None) => FALSE,
            };
            check(&[
                (&format!("{one} && {two}"), both),
                (&format!("{one} || {two}"), any),
            ]);
        }
        let negated = first.map(|value| !value);
        check(&[
            (&format!("!({one})"), negated),
            (&format!("!!({one})"), first),
        ]);
    }
}

#[test]
fn logic_is_that_of_the_specification() {
    // logic.textproto
    check(&[
        ("(true ? 1 : 2) == 1", TRUE),
        ("(false ? 'foo' : 'bar') == 'bar'", TRUE),
        ("2 / 0 > 4 ? true : false", RANGE),
        ("true && true", TRUE),
        ("false && true", FALSE),
        ("false && (2 / 0 > 3 ? false : true)", FALSE),
        ("(2 / 0 > 3 ? false : true) && false", FALSE),
        ("true && 1/0 != 0", RANGE),
        ("1/0 != 0 && true", RANGE),
        ("true || (2 / 0 > 3 ? false : true)", TRUE),
        ("(2 / 0 > 3 ? false : true) || true", TRUE),
        ("false || 1/0 != 0", RANGE),
        ("1/0 != 0 || false", RANGE),
        ("!true", FALSE),
        ("!false", TRUE),
        // The taken branch alone is decided.
        ("true ? true : token.claims.absent", TRUE),
        ("token.claims.name ? true : true", TYPE),
        // Precedence and order.
        ("true || false && false", TRUE),
        ("(true || false) && false", FALSE),
        ("2 + 3 * 4 == 14 && 10 - 2 - 3 == 5 && 7 % 4 == 3", TRUE),
        ("false ? true : true ? false : true", FALSE),
        ("!has(token.claims.x) && !('x' in principal.roles)", TRUE),
    ]);
}

#[test]
fn comparisons_are_those_of_the_specification() {
    // comparisons.textproto
    check(&[
        ("1 == 1", TRUE),
        ("-1 == 1", FALSE),
        ("1.0 == 1.0e+0", TRUE),
        ("-1.0 == 1.0", FALSE),
        ("'' == \"\"", TRUE),
        ("'a' == 'b'", FALSE),
        ("'abc' == r'abc'", TRUE),
        ("'abc' == 'ABC'", FALSE),
        ("null == null", TRUE),
        ("false == true", FALSE),
        ("[] == []", TRUE),
        ("[1, 2, 3] == [1, 2, 3]", TRUE),
        ("[1, 2, 3] == [1, 3, 2]", FALSE),
        ("['case'] == ['cAse']", FALSE),
        ("9.0e+3 != 9001.0", TRUE),
        ("[] != [1]", TRUE),
        ("[[]] != [[]]", FALSE),
        ("[false, true] != [false, true]", FALSE),
        ("-1 < 0", TRUE),
        ("0 < 0", FALSE),
        ("1.0 < 1.0000001", TRUE),
        ("-0.0 < 0.0", FALSE),
        ("'Abc' < 'aBC'", TRUE),
        ("'abc' < 'abcd'", TRUE),
        ("'a' < 'á'", TRUE),
        ("'' < ''", FALSE),
        ("'a' < 'AB'", FALSE),
        ("false < true", TRUE),
        ("42 > -42", TRUE),
        (".99 > 9.9e-1", FALSE),
        ("'abc' > 'aBc'", TRUE),
        ("true > true", FALSE),
        // Numbers of both types are one line, without rounding.
        ("1 == 1.0 && 2 > 1.5 && 1.5 < 2 && -2 < -1.5", TRUE),
        ("9223372036854775807 == 9223372036854775807.0", FALSE),
        ("9223372036854775807 < 9223372036854775808.0", TRUE),
        ("-9223372036854775808 == -9223372036854775808.0", TRUE),
        ("-9223372036854775808 > -1e300", TRUE),
        // Values of different types are known only when it is decided; they are not equal.
        ("token.claims.name == 3", FALSE),
        ("token.claims.name != 3", TRUE),
        ("token.claims.none == null", TRUE),
        ("token.claims.name == null", FALSE),
        ("token.claims.name < 3", TYPE),
        ("token.claims.none < token.claims.none", TYPE),
        ("token.claims.list == ['a', 1, [2]]", FALSE),
        ("token.claims.map == token.claims.map", TRUE),
        ("token.claims.list[3] == token.claims.map", FALSE),
        ("principal.roles == ['nurse', 'physician']", TRUE),
        ("principal.roles == ['physician', 'nurse']", FALSE),
    ]);
}

#[test]
fn members_are_there_or_an_error() {
    check(&[
        ("token.claims.level >= 3", TRUE),
        ("token.claims['level'] == 3", TRUE),
        ("token.claims['https://example.org/unit'] == 'icu'", TRUE),
        ("token.claims.absent == 'x'", ABSENT),
        ("token.claims['absent'] == 'x'", ABSENT),
        ("has(token.claims.level)", TRUE),
        ("has(token.claims.none)", TRUE),
        ("has(token.claims.absent)", FALSE),
        ("has(token.claims.absent.more)", ABSENT),
        (
            "has(token.claims.absent) && has(token.claims.absent.more)",
            FALSE,
        ),
        ("has(token.claims.map.k.deep)", TRUE),
        ("has(token.claims.name.first)", TYPE),
        ("token.claims.map.k.deep == 'x'", TRUE),
        ("token.claims.name.first == 'x'", TYPE),
        ("has(principal.tenant)", FALSE),
        ("principal.tenant == 'north'", ABSENT),
        (
            "!has(principal.tenant) || principal.tenant == 'north'",
            TRUE,
        ),
        ("has(principal.roles) && has(source.address)", TRUE),
        ("principal.roles[0] == 'nurse'", TRUE),
        ("principal.roles[2] == 'nurse'", ABSENT),
        ("principal.roles[-1] == 'nurse'", ABSENT),
        ("token.claims.list[1] == 1", TRUE),
        ("token.claims.list[3].k == 'v'", TRUE),
        ("token.claims.list['x'] == 1", TYPE),
        ("token.claims.map[0] == 1", TYPE),
        ("token.claims.big > 9223372036854775807", TRUE),
    ]);
}

#[test]
fn membership_and_text() {
    check(&[
        ("'physician' in principal.roles", TRUE),
        ("'Physician' in principal.roles", FALSE),
        ("'a' in token.claims.list && 1 in token.claims.list", TRUE),
        ("1.0 in token.claims.list", TRUE),
        ("'level' in token.claims", TRUE),
        ("'absent' in token.claims", FALSE),
        ("3 in token.claims.map", TYPE),
        ("token.claims.level in [1, 2, 3]", TRUE),
        ("token.claims.name in ['Ada', 'Grace',]", TRUE),
        ("token.claims.level in []", FALSE),
        ("'x' in token.claims.name", TYPE),
        ("source.address in [ip('10.1.2.3')]", TRUE),
        ("size('añb') == 3 && 'añb'.size() == 3", TRUE),
        (
            "size(principal.roles) == 2 && size(token.claims.map) == 1",
            TRUE,
        ),
        ("size(token.claims.level) == 2", TYPE),
        ("token.claims.name.startsWith('A')", TRUE),
        ("token.claims.name.endsWith('A')", FALSE),
        ("token.claims.name.contains('d')", TRUE),
        ("token.claims.level.contains('d')", TYPE),
        ("'\\u00e9\\x41\\101\\n\\U0001F600' == 'éAA\\n😀'", TRUE),
        ("r'\\n' == '\\\\n' && '''a\n'b''' == 'a\\n\\'b'", TRUE),
        ("true // to the end of the line\n && true", TRUE),
        ("0x1F == 31 && 1e3 == 1000.0", TRUE),
    ]);
}

#[test]
fn arithmetic_stays_in_its_range() {
    check(&[
        ("9223372036854775807 + 1 > 0", RANGE),
        ("-9223372036854775808 - 1 < 0", RANGE),
        ("-9223372036854775808 / -1 > 0", RANGE),
        ("-9223372036854775808 % -1 == 0", RANGE),
        ("9223372036854775807 * 2 > 0", RANGE),
        ("--9223372036854775807 > 0", TRUE),
        ("1 / 0 == 1", RANGE),
        ("1 % 0 == 1", RANGE),
        ("1.0 / 0.0 > 1.0", RANGE),
        ("1e308 * 10.0 > 1.0", RANGE),
        ("7 / 2 == 3 && -7 / 2 == -3 && -7 % 4 == -3", TRUE),
        ("token.claims.level + 1 == 4", TRUE),
        ("token.claims.level + 1.0 == 4.0", TYPE),
        ("token.claims.name + 1 == 4", TYPE),
        ("-token.claims.name == 4", TYPE),
        ("-token.claims.ratio == -0.5", TRUE),
    ]);
}

#[test]
fn networks_are_those_of_kubernetes() {
    // network_ext.textproto
    check(&[
        ("isIP('192.168.0.1')", TRUE),
        ("isIP('192.168.0.1.0')", FALSE),
        ("isIP('fe80::1%en0') || isIP('::ffff:192.168.0.1')", FALSE),
        ("ip('::ffff:c0a8:1') == ip('192.168.0.1')", TRUE),
        ("ip('2001:db8::1') == ip('2001:DB8::1')", TRUE),
        ("ip('::') == ip('::ffff')", FALSE),
        ("cidr('127.0.0.1/24') == cidr('127.0.0.1/24')", TRUE),
        ("cidr('192.0.0.1/32') == cidr('10.0.0.1/8')", FALSE),
        ("cidr('192.168.0.0/24').containsIP(ip('192.168.0.1'))", TRUE),
        (
            "cidr('192.168.0.0/24').containsIP(ip('192.168.1.1'))",
            FALSE,
        ),
        ("cidr('192.168.0.0/24').containsIP('192.168.0.1')", TRUE),
        ("cidr('192.168.0.0/24').containsIP('192.168.1.1')", FALSE),
        ("cidr('2001:db8::/32').containsIP(ip('192.168.1.1'))", FALSE),
        (
            "cidr('192.168.1.1/32').containsIP(ip('2001:db8::1'))",
            FALSE,
        ),
        ("cidr('2001:db8::/32').containsIP(ip('2001:db8::1'))", TRUE),
        // Both ends of a prefix.
        ("cidr('0.0.0.0/0').containsIP('255.255.255.255')", TRUE),
        ("cidr('::/0').containsIP('ffff::')", TRUE),
        ("cidr('::/0').containsIP('1.2.3.4')", FALSE),
        ("cidr('::1/128').containsIP('::2')", FALSE),
        ("cidr('10.0.0.0/31').containsIP('10.0.0.1')", TRUE),
        ("cidr('10.0.0.0/32').containsIP('10.0.0.1')", FALSE),
        ("cidr('10.0.0.0/8').containsIP(source.address)", TRUE),
        ("cidr('10.0.0.0/8').containsIP(token.claims.net)", TRUE),
        ("cidr('10.0.0.0/8').containsIP(token.claims.name)", TEXT),
        ("cidr('10.0.0.0/8').containsIP(token.claims.level)", TYPE),
        ("ip(token.claims.name) == source.address", TEXT),
        ("source.address == ip('10.1.2.3')", TRUE),
        ("cidr(token.claims.name).containsIP(source.address)", TEXT),
    ]);
}
