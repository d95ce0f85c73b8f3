//! What becomes of a password between its sender and the store (checklist S-21).
//!
//! In this order: prepared, held to the operator's rules, compared with the one in force, shown to
//! the plugins that may see it, hashed, stored. Whoever reads on from there finds a hash, and no
//! answer, log line, message or history shows even that.
//!
//! A hash takes memory and time on purpose. A few are made at once, on threads of their own, and
//! whoever would have to wait for long is told to come back.

use std::sync::Arc;
use std::time::Duration;

use argon2::password_hash::{self, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use provost_scim::{Draft, Invalid, Leniency, NewPassword, PasswordHash, Resource, Switch};
use rand::TryRngCore;
use rand::rngs::OsRng;
use serde::Deserialize;
use tokio::sync::Semaphore;

use super::{Pipeline, WriteError};
use crate::context::RequestContext;
use crate::limits;

/// How many random bytes a salt has.
const SALT_BYTES: usize = 16;

/// `[scim.passwords]`: what passwords must be like, and what a hash of one costs.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PasswordRules {
    /// Whether passwords can be set at all; `changePassword.supported` says the same (S-21.7).
    pub enabled: bool,
    /// How many characters a password has at least.
    pub length_min: usize,
    /// How many characters a password has at most.
    pub length_max: usize,
    /// How much memory one hash takes, in KiB.
    pub memory_kib: u32,
    /// How often one hash goes through that memory.
    pub iterations: u32,
    /// How many lanes it has.
    pub parallelism: u32,
}

impl Default for PasswordRules {
    /// The lengths of NIST SP 800-63B, and the costs of the OWASP password storage cheat sheet.
    fn default() -> Self {
        Self { enabled: true, length_min: 8, length_max: 128, memory_kib: 19 * 1024, iterations: 2, parallelism: 1 }
    }
}

impl PasswordRules {
    /// Checks that the rules make sense.
    ///
    /// # Errors
    /// The key in its table, and what was expected there.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        let within = |key, value: u64, least: u64, most: u64| match (least..=most).contains(&value) {
            true => Ok(()),
            false => Err((key, format!("expected {least} to {most}"))),
        };
        let (shortest, longest) = (self.length_min as u64, self.length_max as u64);
        within("length_min", shortest, 1, limits::PASSWORD_CHARS_MAX as u64)?;
        within("length_max", longest, shortest, limits::PASSWORD_CHARS_MAX as u64)?;
        let (least, most) = (limits::PASSWORD_MEMORY_KIB_MIN.into(), limits::PASSWORD_MEMORY_KIB_MAX.into());
        within("memory_kib", self.memory_kib.into(), least, most)?;
        within("iterations", self.iterations.into(), 1, limits::PASSWORD_ITERATIONS_MAX.into())?;
        within("parallelism", self.parallelism.into(), 1, limits::PASSWORD_LANES_MAX.into())
    }

    /// The password as it is hashed, if it is one that the operator lets people have. Says what is
    /// wrong, never with which value.
    fn hold(&self, password: &NewPassword) -> Result<NewPassword, Invalid> {
        let prepared = password.prepared()?;
        let length = prepared.reveal().chars().count();
        if length < self.length_min {
            return Err(Invalid::value(format!("`password` needs at least {} characters", self.length_min)));
        }
        if length > self.length_max {
            return Err(Invalid::value(format!("`password` may have at most {} characters", self.length_max)));
        }
        Ok(prepared)
    }
}

/// Why a password was not hashed.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    /// As many as may are being hashed, and many wait.
    #[error("too many passwords are being set at once; nothing was changed")]
    Crowded,
    /// The hash itself failed.
    #[error("a password could not be hashed: {0}")]
    Failed(String),
}

/// Makes and compares hashes, a few at a time.
#[derive(Clone)]
pub(super) struct Hasher {
    argon2: Argon2<'static>,
    seats: Arc<Semaphore>,
    patience: Duration,
}

impl Hasher {
    /// A hasher of these costs. Rules that do not pass [`PasswordRules::check`] give the defaults' costs.
    pub(super) fn new(rules: &PasswordRules) -> Self {
        let params = Params::new(rules.memory_kib, rules.iterations, rules.parallelism, None).unwrap_or_default();
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let seats = Arc::new(Semaphore::new(limits::PASSWORD_HASHES_MAX));
        Self { argon2, seats, patience: Duration::from_millis(limits::PASSWORD_WAIT_MILLIS_MAX) }
    }

    async fn hash(&self, password: &NewPassword) -> Result<PasswordHash, HashError> {
        let (argon2, password) = (self.argon2.clone(), password.clone());
        self.seated(move || {
            let mut salt = [0_u8; SALT_BYTES];
            OsRng.try_fill_bytes(&mut salt).map_err(|error| HashError::Failed(error.to_string()))?;
            let salt = SaltString::encode_b64(&salt).map_err(failed)?;
            let hash = argon2.hash_password(password.reveal().as_bytes(), &salt).map_err(failed)?;
            PasswordHash::parse(&hash.to_string()).ok_or_else(|| HashError::Failed("it is no argon2id hash".to_owned()))
        })
        .await
    }

    /// Whether this is the password that the hash was made of, at the costs it was made with.
    async fn is_same(&self, password: &NewPassword, hash: &PasswordHash) -> Result<bool, HashError> {
        let (argon2, password, hash) = (self.argon2.clone(), password.clone(), hash.clone());
        self.seated(move || {
            let hash = password_hash::PasswordHash::new(hash.as_str()).map_err(failed)?;
            match argon2.verify_password(password.reveal().as_bytes(), &hash) {
                Ok(()) => Ok(true),
                Err(password_hash::Error::Password) => Ok(false),
                Err(error) => Err(failed(error)),
            }
        })
        .await
    }

    /// Does the work on a thread where it keeps nobody waiting, once there is a seat.
    async fn seated<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, HashError> + Send + 'static,
    ) -> Result<T, HashError> {
        let seat = tokio::time::timeout(self.patience, self.seats.clone().acquire_owned()).await;
        let seat = seat.ok().and_then(Result::ok).ok_or(HashError::Crowded)?;
        let done = tokio::task::spawn_blocking(move || {
            // Kept until the work is done, even if nobody waits for it any more.
            let _seat = seat;
            work()
        });
        done.await.map_err(|_| HashError::Failed("its thread broke off".to_owned()))?
    }
}

fn failed(error: password_hash::Error) -> HashError {
    HashError::Failed(error.to_string())
}

/// Where passwords cannot be set, a client's is dropped, or refused where the operator does not
/// forgive it (L-B8); and the one in force stays.
fn leave_password(in_force: Option<PasswordHash>, draft: &mut Draft, leniency: &Leniency) -> Result<(), Invalid> {
    let touched = draft.secret.is_some() || draft.password_hash() != in_force;
    if touched && !leniency.allows(Switch::BodyDummyPassword) {
        return Err(not_here());
    }
    match in_force {
        Some(hash) => draft.seal(&hash),
        None => draft.clear_password(),
    }
    Ok(())
}

impl Pipeline {
    /// Settles what a client's proposal does to the password, before any plugin is asked. The one in
    /// force, set once more, is no change.
    pub(super) async fn weigh_password(
        &self,
        cx: &RequestContext,
        current: Option<&Resource>,
        draft: &mut Draft,
    ) -> Result<(), WriteError> {
        let in_force = current.and_then(Resource::password_hash);
        if !self.settings.passwords.enabled {
            return Ok(leave_password(in_force, draft, &self.leniency(cx))?);
        }
        let Some(password) = self.held_password(draft)? else { return Ok(()) };
        match in_force {
            Some(hash) if self.hasher.is_same(&password, &hash).await? => draft.seal(&hash),
            _ => draft.secret = Some(password),
        }
        Ok(())
    }

    /// The password that a draft sets, prepared and held to the operator's rules.
    pub(super) fn held_password(&self, draft: &Draft) -> Result<Option<NewPassword>, Invalid> {
        match &draft.secret {
            Some(_) if !self.settings.passwords.enabled => Err(not_here()),
            Some(password) => self.settings.passwords.hold(password).map(Some),
            None => Ok(None),
        }
    }

    /// The draft with its new password, if it has one, as a hash.
    pub(super) async fn sealed(&self, mut draft: Draft) -> Result<Draft, WriteError> {
        if let Some(password) = &draft.secret {
            let hash = self.hasher.hash(password).await?;
            draft.seal(&hash);
        }
        Ok(draft)
    }
}

fn not_here() -> Invalid {
    Invalid::value("`password` cannot be set here")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The least that the rules allow, since these tests are not about costs.
    fn hasher() -> Hasher {
        let memory_kib = limits::PASSWORD_MEMORY_KIB_MIN;
        Hasher::new(&PasswordRules { memory_kib, iterations: 1, ..PasswordRules::default() })
    }

    #[tokio::test]
    async fn one_password_has_two_hashes_and_both_know_it_s_21_2() {
        let (hasher, password) = (hasher(), NewPassword::new("correct horse"));

        let (one, two) = (hasher.hash(&password).await.unwrap(), hasher.hash(&password).await.unwrap());

        assert_ne!(one, two, "the salt makes them differ");
        assert!(one.as_str().starts_with("$argon2id$v=19$m=7168,t=1,p=1$"), "{}", one.as_str());
        assert!(!one.as_str().contains("horse"));
        assert!(hasher.is_same(&password, &two).await.unwrap());
        assert!(!hasher.is_same(&NewPassword::new("Correct horse"), &one).await.unwrap());
        // A hash keeps its own costs: those of today do not matter.
        let dearer = Hasher::new(&PasswordRules::default());
        assert!(dearer.is_same(&password, &one).await.unwrap());
    }

    #[tokio::test]
    async fn who_would_wait_too_long_for_a_seat_is_told_to_come_back() {
        let hasher = Hasher { patience: Duration::ZERO, ..hasher() };
        let _all = hasher.seats.clone().acquire_many_owned(limits::PASSWORD_HASHES_MAX as u32).await.unwrap();

        let refused = hasher.hash(&NewPassword::new("correct horse")).await;

        assert!(matches!(refused, Err(HashError::Crowded)));
    }

    #[test]
    fn lengths_are_counted_in_characters_of_the_prepared_form_and_no_value_is_told() {
        let rules = PasswordRules { length_min: 4, length_max: 6, ..PasswordRules::default() };
        let said = |text: &str| rules.hold(&NewPassword::new(text)).map(|held| held.reveal().to_owned());
        let refused = |text: &str| said(text).unwrap_err().to_string();

        assert_eq!(said("äöüß").unwrap(), "äöüß");
        assert_eq!(said("a\u{308}o\u{308}u\u{308}ß").unwrap(), "äöüß");
        assert_eq!(said("a\u{2003}b c").unwrap(), "a b c", "every space is a plain one");
        assert_eq!(refused("äöü"), "`password` needs at least 4 characters");
        assert_eq!(refused("abcdefg"), "`password` may have at most 6 characters");
        assert_eq!(refused(""), "`password` is empty");
        assert_eq!(refused("ab\u{7}cd"), "`password` holds a character that no password may hold");
    }

    #[test]
    fn rules_that_make_no_sense_name_their_key() {
        let wrong = |rules: PasswordRules| rules.check().unwrap_err().0;
        let good = PasswordRules::default;

        assert_eq!(good().check(), Ok(()));
        assert_eq!(wrong(PasswordRules { length_min: 0, ..good() }), "length_min");
        assert_eq!(wrong(PasswordRules { length_max: 7, ..good() }), "length_max");
        assert_eq!(wrong(PasswordRules { length_max: 1_000_000, ..good() }), "length_max");
        assert_eq!(wrong(PasswordRules { memory_kib: 1024, ..good() }), "memory_kib");
        assert_eq!(wrong(PasswordRules { iterations: 0, ..good() }), "iterations");
        assert_eq!(wrong(PasswordRules { parallelism: 0, ..good() }), "parallelism");
    }
}
