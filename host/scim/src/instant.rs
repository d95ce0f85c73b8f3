//! The dateTime of RFC 7643 section 2.3.5: read from any xsd:dateTime, written one way (S-3.5).

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// Reads an xsd:dateTime, at millisecond precision. Any offset is understood, and a time without
/// one is UTC. The year has four digits; the date and the time are both there.
///
/// ```
/// use provost_scim::instant::{parse, print};
/// assert_eq!(print(parse("2011-05-13T06:42:34+02:00").unwrap()), "2011-05-13T04:42:34.000Z");
/// ```
pub fn parse(text: &str) -> Option<Timestamp> {
    let (clock, offset) = split_offset(text)?;
    let (whole, fraction) = match clock.split_once('.') {
        Some((whole, digits)) => (whole, Some(digits)),
        None => (clock, None),
    };
    let shape = b"0000-00-00T00:00:00";
    let fits = whole.len() == shape.len()
        && whole.bytes().zip(shape).all(|(c, s)| if *s == b'0' { c.is_ascii_digit() } else { c == *s });
    if !fits || whole.ends_with(":60") {
        return None;
    }
    let civil: DateTime = whole.parse().ok()?;
    let at = civil.to_zoned(TimeZone::UTC).ok()?.timestamp();
    let at = at.checked_add(SignedDuration::from_millis(millis(fraction)?)).ok()?;
    let at = at.checked_sub(SignedDuration::from_mins(offset)).ok()?;
    let year = at.to_zoned(TimeZone::UTC).year();
    (0..=9999).contains(&year).then_some(at)
}

/// Writes UTC with exactly three digits of a second, and `Z`.
pub fn print(at: Timestamp) -> String {
    format!("{at:.3}")
}

/// Takes the zone off the end: `Z`, `+hh:mm`, `-hh:mm` or nothing. Answers its minutes.
fn split_offset(text: &str) -> Option<(&str, i64)> {
    if !text.is_ascii() {
        return None;
    }
    if let Some(clock) = text.strip_suffix(['Z', 'z']) {
        return Some((clock, 0));
    }
    let Some(at) = text.len().checked_sub(6).filter(|at| matches!(text.as_bytes()[*at], b'+' | b'-')) else {
        return Some((text, 0));
    };
    let (clock, zone) = text.split_at(at);
    let (hours, minutes) = zone[1..].split_once(':')?;
    let digits = |part: &str, most: i64| part.parse::<u8>().ok().map(i64::from).filter(|n| *n <= most);
    let total = digits(hours, 14)? * 60 + digits(minutes, 59)?;
    Some((clock, if zone.starts_with('-') { -total } else { total }))
}

/// The first three of any number of digits.
fn millis(fraction: Option<&str>) -> Option<i64> {
    let Some(digits) = fraction else {
        return Some(0);
    };
    if digits.is_empty() || !digits.bytes().all(|c| c.is_ascii_digit()) {
        return None;
    }
    let kept: String = digits.chars().chain("00".chars()).take(3).collect();
    kept.parse().ok()
}
