//! From when until when a certificate is good, and what is worth a word about it.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, Error, RootCertStore};

use crate::limits;

/// A certificate's `notBefore` and `notAfter` (RFC 5280 section 4.1.2.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    from: Timestamp,
    until: Timestamp,
}

/// Where a certificate stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Age {
    /// It is not valid yet.
    Early,
    /// Nothing is to be said.
    Good,
    /// It is time to renew it.
    Ending,
    /// It has expired.
    Over,
}

impl Validity {
    /// Reads it out of a certificate; absent where it cannot be told.
    ///
    /// Whoever verifies a certificate at the beginning of time learns when it becomes valid, and at the end of time,
    /// when it expired: that is looked at before anything else, so nobody needs to have signed it.
    pub(super) fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let parsed = ParsedCertificate::try_from(certificate).ok()?;
        let nobody = RootCertStore::empty();
        let algorithms = ring::default_provider().signature_verification_algorithms.all;
        let refused = |seconds| {
            let at = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
            verify_server_cert_signed_by_trust_anchor(&parsed, &nobody, &[], at, algorithms).err()
        };
        let from = match refused(0)? {
            Error::InvalidCertificate(CertificateError::NotValidYetContext { not_before, .. }) => time(not_before),
            _ => Timestamp::UNIX_EPOCH,
        };
        match refused(u64::MAX)? {
            Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. }) => {
                Some(Self { from, until: time(not_after) })
            }
            _ => None,
        }
    }

    pub(super) fn age(self, now: Timestamp) -> Age {
        match now {
            now if now < self.from => Age::Early,
            now if now > self.until => Age::Over,
            now if now >= self.ending() => Age::Ending,
            _ => Age::Good,
        }
    }

    /// When it will be of another age, if ever.
    pub(super) fn turns(self, now: Timestamp) -> Option<Timestamp> {
        match self.age(now) {
            Age::Early => Some(self.from),
            Age::Good => Some(self.ending()),
            Age::Ending => self.until.checked_add(SignedDuration::from_millis(1)).ok(),
            Age::Over => None,
        }
    }

    /// From when on it should be renewed: a week before its end, or for its last third if it does not live that long.
    fn ending(self) -> Timestamp {
        let life = self.until.duration_since(self.from);
        self.until - (life / 3).min(SignedDuration::from_secs(limits::TLS_NOTICE_SECONDS))
    }

    /// One sentence for operators about the certificate of `section`, if there is anything to say.
    pub fn remark(self, section: &str, now: Timestamp) -> Option<String> {
        let Self { from, until } = self;
        match self.age(now) {
            Age::Early => Some(format!("the certificate of `{section}.tls` is not valid before {from}")),
            Age::Good => None,
            Age::Ending => Some(format!("the certificate of `{section}.tls` expires at {until}; renew it")),
            Age::Over => Some(format!("the certificate of `{section}.tls` expired at {until}; renew it")),
        }
    }

    /// The same, if clients refuse the certificate.
    pub fn trouble(self, section: &str, now: Timestamp) -> Option<String> {
        self.remark(section, now).filter(|_| matches!(self.age(now), Age::Early | Age::Over))
    }
}

/// A time after what can be counted is as good as for ever.
fn time(time: UnixTime) -> Timestamp {
    let seconds = i64::try_from(time.as_secs()).ok();
    seconds.and_then(|seconds| Timestamp::from_second(seconds).ok()).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn each_age_begins_when_the_one_before_it_ends() {
        let year = Validity { from: at("2030-01-01T00:00:00Z"), until: at("2030-12-31T23:59:59Z") };
        let mut now = at("2029-06-01T00:00:00Z");
        let mut ages = vec![(year.age(now), now)];
        while let Some(turns) = year.turns(now) {
            let before = turns - SignedDuration::from_millis(1);
            assert_eq!(year.age(before), year.age(now), "nothing happens earlier");
            now = turns;
            ages.push((year.age(now), now));
        }

        let expected = [
            (Age::Early, at("2029-06-01T00:00:00Z")),
            (Age::Good, at("2030-01-01T00:00:00Z")),
            (Age::Ending, at("2030-12-24T23:59:59Z")),
            (Age::Over, at("2030-12-31T23:59:59.001Z")),
        ];
        assert_eq!(ages, expected);
    }

    #[test]
    fn a_certificate_that_lives_for_days_is_not_always_about_to_end() {
        let days = Validity { from: at("2030-01-01T00:00:00Z"), until: at("2030-01-07T00:00:00Z") };

        assert_eq!(days.age(at("2030-01-04T23:59:59Z")), Age::Good);
        assert_eq!(days.age(at("2030-01-05T00:00:00Z")), Age::Ending);
    }
}
