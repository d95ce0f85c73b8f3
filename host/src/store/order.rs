//! Values as bytes that sort as the values do.
//!
//! Each encoding ends by itself: no encoded value is the beginning of another one, so that what
//! follows it in a key never takes part in the order.

use provost_scim::filter::Operand;
use sha2::{Digest, Sha256};

/// How much of a text or of binary data stands in a key, in bytes. Longer values are cut here and
/// told apart by their hash: among themselves they sort by it.
pub const VALUE_BYTES_MAX: usize = 256;

const BOOLEAN: u8 = 1;
const NUMBER: u8 = 2;
const INSTANT: u8 = 3;
const TEXT: u8 = 4;
const BYTES: u8 = 5;

/// Ends a text. Below every byte that an escaped text holds.
const END: u8 = 0;
/// Ends a text that was cut; its hash follows.
const END_CUT: u8 = 1;
/// Stands before a byte that is not greater than itself.
const ESCAPE: u8 = 2;

/// Writes the value so that the bytes sort as the values. Absent values have no key.
pub fn encode(value: &Operand, key: &mut Vec<u8>) -> bool {
    match value {
        Operand::Null => return false,
        Operand::Boolean(value) => key.extend([BOOLEAN, u8::from(*value)]),
        Operand::Number(value) => {
            let (nearest, rest) = value.parts();
            key.push(NUMBER);
            key.extend(number(nearest).to_be_bytes());
            key.extend((rest.cast_unsigned() ^ 1 << 15).to_be_bytes());
        }
        Operand::Instant(at) => {
            key.push(INSTANT);
            key.extend(instant(at.as_millisecond()));
        }
        Operand::Text(text) => encode_bytes(TEXT, text.as_bytes(), key),
        Operand::Bytes(bytes) => encode_bytes(BYTES, bytes, key),
    }
    true
}

/// Writes the beginning that every text with this beginning has.
pub fn encode_text_prefix(prefix: &str, key: &mut Vec<u8>) {
    key.push(TEXT);
    escape(cut(prefix.as_bytes()), key);
}

/// Writes what stands before every value of the same kind as this one.
pub fn encode_kind(value: &Operand, key: &mut Vec<u8>) -> bool {
    key.push(match value {
        Operand::Null => return false,
        Operand::Boolean(_) => BOOLEAN,
        Operand::Number(_) => NUMBER,
        Operand::Instant(_) => INSTANT,
        Operand::Text(_) => TEXT,
        Operand::Bytes(_) => BYTES,
    });
    true
}

/// Whether the value is too long to stand whole in a key.
pub fn is_cut(value: &Operand) -> bool {
    match value {
        Operand::Text(text) => text.len() > VALUE_BYTES_MAX,
        Operand::Bytes(bytes) => bytes.len() > VALUE_BYTES_MAX,
        _ => false,
    }
}

fn encode_bytes(kind: u8, bytes: &[u8], key: &mut Vec<u8>) {
    key.push(kind);
    escape(cut(bytes), key);
    if bytes.len() > VALUE_BYTES_MAX {
        key.push(END_CUT);
        key.extend(Sha256::digest(bytes));
    } else {
        key.push(END);
    }
}

fn cut(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.len().min(VALUE_BYTES_MAX)]
}

/// Keeps the ends free: 0, 1 and 2 become 2 0, 2 1 and 2 2, which keeps the order.
fn escape(bytes: &[u8], key: &mut Vec<u8>) {
    for byte in bytes {
        if *byte <= ESCAPE {
            key.push(ESCAPE);
        }
        key.push(*byte);
    }
}

/// The bits of a float, turned so that they sort as the floats do. Both zeros are one.
fn number(value: f64) -> u64 {
    let bits = if value == 0.0 { 0 } else { value.to_bits() };
    if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
}

/// Milliseconds around the epoch, with the sign turned.
fn instant(millis: i64) -> [u8; 8] {
    (millis ^ i64::MIN).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use jiff::Timestamp;
    use proptest::prelude::*;
    use provost_scim::compare::Number;

    use super::*;

    fn encoded(value: &Operand) -> Vec<u8> {
        let mut key = Vec::new();
        assert!(encode(value, &mut key));
        key
    }

    fn text(text: &str) -> Operand {
        Operand::Text(text.to_owned())
    }

    fn number(number: impl Into<Number>) -> Operand {
        Operand::Number(number.into())
    }

    #[track_caller]
    fn sorts(less: &Operand, greater: &Operand, order: Ordering) {
        // What follows a value in a key must not matter.
        let behind = |value, rest: u8| [encoded(value), vec![rest; 16]].concat();
        match order {
            Ordering::Equal => assert_eq!(encoded(less), encoded(greater)),
            order => {
                assert_eq!(behind(less, 0xff).cmp(&behind(greater, 0)), order);
                assert_eq!(behind(less, 0).cmp(&behind(greater, 0xff)), order);
            }
        }
    }

    #[test]
    fn a_text_sorts_before_every_longer_text_it_begins() {
        sorts(&text("ana"), &text("ana\0"), Ordering::Less);
        sorts(&text("ana\0"), &text("ana\u{1}"), Ordering::Less);
        sorts(&text("ana\u{1}"), &text("ana\u{2}"), Ordering::Less);
        sorts(&text(""), &text("\0"), Ordering::Less);
    }

    #[test]
    fn long_texts_keep_the_order_of_their_beginnings_and_stay_apart() {
        let long = "x".repeat(VALUE_BYTES_MAX);
        sorts(&text(&long), &text(&format!("{long}y")), Ordering::Less);
        sorts(&text(&format!("{long}y")), &text("xy"), Ordering::Less);
        assert_ne!(encoded(&text(&format!("{long}a"))), encoded(&text(&format!("{long}b"))));
    }

    #[test]
    fn both_zeros_are_one_number() {
        assert_eq!(encoded(&number(0.0)), encoded(&number(-0.0)));
    }

    #[test]
    fn nothing_has_no_key() {
        assert!(!encode(&Operand::Null, &mut Vec::new()));
    }

    proptest! {
        #[test]
        fn texts_sort_as_their_bytes(a in "[\\x00-\\x03a-c\u{e9}]{0,6}", b in "[\\x00-\\x03a-c\u{e9}]{0,6}") {
            sorts(&text(&a), &text(&b), a.as_bytes().cmp(b.as_bytes()));
        }

        #[test]
        fn numbers_sort_as_numbers(a in -1e300..1e300_f64, b in proptest::num::f64::NORMAL) {
            sorts(&number(a), &number(b), a.partial_cmp(&b).unwrap());
        }

        #[test]
        fn whole_numbers_sort_exactly_and_among_floats(a: i64, by in -3_i64..4, b: i64, c in any::<f64>()) {
            let near = a.saturating_add(by);
            sorts(&number(a), &number(near), a.cmp(&near));
            sorts(&number(a), &number(b), a.cmp(&b));
            sorts(&number(a), &number(a as f64), i128::from(a).cmp(&(a as f64 as i128)));
            // A float that is no whole number, or a huge one, has the same order as its whole part.
            if c.is_finite() && c.trunc() as i128 != i128::from(a) {
                sorts(&number(a), &number(c), i128::from(a).cmp(&(c.trunc() as i128)));
            }
        }

        #[test]
        fn instants_sort_by_time(a in -60_000_000_000_000..250_000_000_000_000_i64, b in -60_000_000_000_000..250_000_000_000_000_i64) {
            let instant = |millis| Operand::Instant(Timestamp::from_millisecond(millis).unwrap());
            sorts(&instant(a), &instant(b), a.cmp(&b));
        }

        #[test]
        fn a_prefix_bounds_exactly_the_texts_it_begins(prefix in "[\\x00-\\x02a-b]{0,3}", other in "[\\x00-\\x02a-b]{0,5}") {
            let mut bound = Vec::new();
            encode_text_prefix(&prefix, &mut bound);
            prop_assert_eq!(encoded(&text(&other)).starts_with(&bound), other.starts_with(&prefix));
        }
    }
}
