//! The one place that makes keys.
//!
//! Every key begins with its realm, so that tenants can come without a migration. Numbers are
//! big-endian and ids are their sixteen bytes, so keys are short and sort as what they stand for.
//!
//! | space | key |
//! |---|---|
//! | resources | realm, type, id |
//! | unique | realm, type (0: any), attribute, value |
//! | index | realm, type, attribute, value, id |
//! | edges | realm, direction, one end, other end |
//! | history | realm, id, version |
//! | journal | realm, sequence |
//! | memberships | realm, sequence, part |
//! | outbox | realm, `0`, sequence, index; realm, `1`, hash of what is waited for once |
//! | state | realm, length of the plugin's name, name, key |
//! | system | realm, what kind of fact, which one |

use uuid::Uuid;

use super::engine::{Key, KeyRange};
use super::outbox::OutboxKey;
use crate::context::Realm;
use crate::hook::{JobName, PluginName};

/// The type number that stands for all types, in keys of values that are unique among all of them.
pub const ANY_TYPE: u16 = 0;

/// From which end a membership is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the group to its members.
    Members = 0,
    /// From the member to its groups.
    Groups = 1,
}

/// The facts of the system space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fact {
    Format = 0,
    Instance = 1,
    Catalog = 2,
    Token = 3,
    Resources = 4,
    Outbox = 5,
    State = 6,
    Pruned = 7,
    Types = 16,
    Schemas = 17,
    CursorKey = 8,
    Job = 24,
}

struct Builder(Key);

impl Builder {
    fn new(realm: Realm, capacity: usize) -> Self {
        let mut key = Key::with_capacity(4 + capacity);
        key.extend(realm.0.to_be_bytes());
        Self(key)
    }

    fn byte(mut self, byte: u8) -> Self {
        self.0.push(byte);
        self
    }

    fn short(mut self, number: u16) -> Self {
        self.0.extend(number.to_be_bytes());
        self
    }

    fn long(mut self, number: u64) -> Self {
        self.0.extend(number.to_be_bytes());
        self
    }

    fn id(mut self, id: Uuid) -> Self {
        self.0.extend(id.as_bytes());
        self
    }

    fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    fn range(self) -> KeyRange {
        KeyRange::prefix(self.0)
    }
}

/// One resource.
pub fn resource(realm: Realm, type_number: u16, id: Uuid) -> Key {
    Builder::new(realm, 18).short(type_number).id(id).0
}

/// All resources of a type, by id.
pub fn resources(realm: Realm, type_number: u16) -> KeyRange {
    Builder::new(realm, 2).short(type_number).range()
}

/// All keys of a realm, in any space.
pub fn realm(realm: Realm) -> KeyRange {
    Builder::new(realm, 0).range()
}

/// How long the part of a key from [`values`] is: realm, type, attribute.
pub const VALUES_BYTES: usize = 8;

/// Where an attribute's values stand: in the unique space or in the index.
pub fn values(realm: Realm, type_number: u16, attribute: u16) -> Key {
    Builder::new(realm, 4).short(type_number).short(attribute).0
}

/// The attribute's number in a key that begins with [`values`].
pub fn attribute(key: &[u8]) -> Option<u16> {
    Some(u16::from_be_bytes(key.get(6..8)?.try_into().ok()?))
}

/// One value's entry in the index. `value` is from [`values`], with the value behind.
pub fn index(mut value: Key, id: Uuid) -> Key {
    value.extend(id.as_bytes());
    value
}

/// A membership, from one end.
pub fn edge(realm: Realm, direction: Direction, from: Uuid, to: Uuid) -> Key {
    Builder::new(realm, 33).byte(direction as u8).id(from).id(to).0
}

/// All memberships at one end, by the other end's id.
pub fn edges(realm: Realm, direction: Direction, from: Uuid) -> KeyRange {
    Builder::new(realm, 17).byte(direction as u8).id(from).range()
}

/// Both ends of a membership key.
pub fn ends(key: &[u8]) -> Option<(Uuid, Uuid)> {
    Some((id_at(key, 5)?, id_at(key, 21)?))
}

/// A resource as it was at a version.
pub fn history(realm: Realm, id: Uuid, version: u64) -> Key {
    Builder::new(realm, 24).id(id).long(version).0
}

/// A resource as it was at all its past versions.
pub fn histories(realm: Realm, id: Uuid) -> KeyRange {
    Builder::new(realm, 16).id(id).range()
}

/// The id and version of a history key.
pub fn history_parts(key: &[u8]) -> Option<(Uuid, u64)> {
    Some((id_at(key, 4)?, long_at(key, 20)?))
}

/// One journal row.
pub fn journal(realm: Realm, sequence: u64) -> Key {
    Builder::new(realm, 8).long(sequence).0
}

/// One part of who joined and left with a journal row.
pub fn membership(realm: Realm, sequence: u64, part: u32) -> Key {
    Builder::new(realm, 12).long(sequence).bytes(&part.to_be_bytes()).0
}

/// Everybody who joined and left with a journal row.
pub fn memberships(realm: Realm, sequence: u64) -> KeyRange {
    Builder::new(realm, 8).long(sequence).range()
}

/// The sequence of a journal or membership key.
pub fn sequence(key: &[u8]) -> Option<u64> {
    long_at(key, 4)
}

/// The realm of any key.
pub fn realm_of(key: &[u8]) -> Option<Realm> {
    Some(Realm(u32::from_be_bytes(key.get(..4)?.try_into().ok()?)))
}

/// One outbox row.
pub fn outbox(key: OutboxKey) -> Key {
    Builder::new(key.realm, 13).byte(0).long(key.sequence).bytes(&key.index.to_be_bytes()).0
}

/// All outbox rows, in order.
pub fn outbox_rows(realm: Realm) -> KeyRange {
    Builder::new(realm, 1).byte(0).range()
}

/// What an outbox key names.
pub fn outbox_parts(key: &[u8]) -> Option<OutboxKey> {
    let index = key.get(13..17)?.try_into().ok()?;
    Some(OutboxKey { realm: realm_of(key)?, sequence: long_at(key, 5)?, index: u32::from_be_bytes(index) })
}

/// Which outbox row stands for something that is to be waiting once only.
pub fn outbox_once(realm: Realm, hash: &[u8; 32]) -> Key {
    Builder::new(realm, 33).byte(1).bytes(hash).0
}

/// All of these.
pub fn outbox_onces(realm: Realm) -> KeyRange {
    Builder::new(realm, 1).byte(1).range()
}

/// One entry of a plugin's state.
pub fn state(realm: Realm, plugin: &PluginName, key: &str) -> Key {
    state_of(realm, plugin).bytes(key.as_bytes()).0
}

/// A plugin's state, or the part of it whose keys begin with `prefix`.
pub fn states(realm: Realm, plugin: &PluginName, prefix: &str) -> KeyRange {
    state_of(realm, plugin).bytes(prefix.as_bytes()).range()
}

fn state_of(realm: Realm, plugin: &PluginName) -> Builder {
    let name = plugin.0.as_bytes();
    let length = u16::try_from(name.len()).unwrap_or(u16::MAX);
    Builder::new(realm, 2 + name.len() + 16).short(length).bytes(&name[..usize::from(length)])
}

/// The plugin and the plugin's own key of a state key.
pub fn state_parts(key: &[u8]) -> Option<(PluginName, &str)> {
    let length = usize::from(u16::from_be_bytes(key.get(4..6)?.try_into().ok()?));
    let (name, own) = key.get(6..)?.split_at_checked(length)?;
    Some((std::str::from_utf8(name).ok()?.into(), std::str::from_utf8(own).ok()?))
}

/// One job's row.
pub fn job(realm: Realm, job: &JobName) -> Key {
    let plugin = job.plugin.0.as_bytes();
    let length = u16::try_from(plugin.len()).unwrap_or(u16::MAX);
    fact(realm, Fact::Job).short(length).bytes(&plugin[..usize::from(length)]).bytes(job.job.as_bytes()).0
}

/// All of these.
pub fn jobs(realm: Realm) -> KeyRange {
    fact(realm, Fact::Job).range()
}

/// The plugin and the job of such a key.
pub fn job_parts(key: &[u8]) -> Option<JobName> {
    let length = usize::from(u16::from_be_bytes(key.get(5..7)?.try_into().ok()?));
    let (plugin, job) = key.get(7..)?.split_at_checked(length)?;
    Some(JobName { plugin: std::str::from_utf8(plugin).ok()?.into(), job: std::str::from_utf8(job).ok()?.to_owned() })
}

/// The store's format version.
pub fn format() -> Key {
    fact(Realm::DEFAULT, Fact::Format).0
}

/// The store's own id.
pub fn instance() -> Key {
    fact(Realm::DEFAULT, Fact::Instance).0
}

/// Which attributes are indexed, and under which numbers.
pub fn catalog() -> Key {
    fact(Realm::DEFAULT, Fact::Catalog).0
}

/// One token, by its hash.
pub fn token(realm: Realm, hash: &[u8; 32]) -> Key {
    fact(realm, Fact::Token).bytes(hash).0
}

/// All tokens.
pub fn tokens(realm: Realm) -> KeyRange {
    fact(realm, Fact::Token).range()
}

/// How many resources of a type there are.
pub fn resource_count(realm: Realm, type_number: u16) -> Key {
    fact(realm, Fact::Resources).short(type_number).0
}

/// How many rows the outbox holds.
pub fn outbox_count(realm: Realm) -> Key {
    fact(realm, Fact::Outbox).byte(0).0
}

/// How many of them are parked.
pub fn parked_count(realm: Realm) -> Key {
    fact(realm, Fact::Outbox).byte(1).0
}

/// How many entries a plugin's state holds.
pub fn state_count(realm: Realm, plugin: &PluginName) -> Key {
    fact(realm, Fact::State).bytes(plugin.0.as_bytes()).0
}

/// All of these.
pub fn state_counts(realm: Realm) -> KeyRange {
    fact(realm, Fact::State).range()
}

/// The plugin of a state counter.
pub fn state_count_plugin(key: &[u8]) -> Option<PluginName> {
    Some(std::str::from_utf8(key.get(5..)?).ok()?.into())
}

/// Up to which sequence the journal was pruned.
pub fn pruned(realm: Realm) -> Key {
    fact(realm, Fact::Pruned).0
}

/// The names behind the resource types' numbers.
pub fn types() -> Key {
    fact(Realm::DEFAULT, Fact::Types).0
}

/// The fingerprint of the schemas.
pub fn schemas() -> Key {
    fact(Realm::DEFAULT, Fact::Schemas).0
}

/// The key that cursors are sealed with.
pub fn cursor_key() -> Key {
    fact(Realm::DEFAULT, Fact::CursorKey).0
}

fn fact(realm: Realm, fact: Fact) -> Builder {
    Builder::new(realm, 33).byte(fact as u8)
}

/// The id at the end of a resource or index key.
pub fn last_id(key: &[u8]) -> Option<Uuid> {
    id_at(key, key.len().checked_sub(16)?)
}

fn id_at(key: &[u8], at: usize) -> Option<Uuid> {
    Uuid::from_slice(key.get(at..at + 16)?).ok()
}

fn long_at(key: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(key.get(at..at + 8)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const REALM: Realm = Realm(7);

    #[test]
    fn parts_come_back_out_of_their_keys() {
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(u128::MAX));
        let row = OutboxKey { realm: REALM, sequence: 9, index: 3 };

        assert_eq!(ends(&edge(REALM, Direction::Groups, one, other)), Some((one, other)));
        assert_eq!(history_parts(&history(REALM, other, 5)), Some((other, 5)));
        assert_eq!(sequence(&journal(REALM, 12)), Some(12));
        assert_eq!(sequence(&membership(REALM, 12, 1)), Some(12));
        assert_eq!(outbox_parts(&outbox(row)), Some(row));
        assert_eq!(state_parts(&state(REALM, &"rules".into(), "seen/ana")), Some(("rules".into(), "seen/ana")));
        assert_eq!(state_count_plugin(&state_count(REALM, &"rules".into())), Some("rules".into()));
        assert_eq!(last_id(&resource(REALM, 1, one)), Some(one));
        assert_eq!(attribute(&index(values(REALM, 1, 9), one)), Some(9));
        assert_eq!(realm_of(&pruned(REALM)), Some(REALM));
    }

    #[test]
    fn a_key_that_is_cut_short_names_nothing() {
        let whole = outbox(OutboxKey { realm: REALM, sequence: 9, index: 3 });
        for length in 0..whole.len() {
            assert_eq!(outbox_parts(&whole[..length]), None);
            assert_eq!(ends(&whole[..length]), None);
            assert_eq!(state_parts(&whole[..length.min(5)]), None);
        }
    }

    #[test]
    fn a_plugins_state_never_reaches_into_anothers() {
        let inside = |plugin: &str, key: &[u8]| {
            let range = states(REALM, &plugin.into(), "");
            range.from.as_slice() <= key && range.until.is_none_or(|until| key < until.as_slice())
        };
        assert!(inside("rule", &state(REALM, &"rule".into(), "s/1")));
        assert!(!inside("rule", &state(REALM, &"rules".into(), "/1")));
        assert!(!inside("rules", &state(REALM, &"rule".into(), "s/1")));
    }

    proptest! {
        #[test]
        fn a_prefix_range_holds_exactly_the_keys_with_that_prefix(
            prefix in proptest::collection::vec(prop_oneof![Just(0_u8), Just(254), Just(255)], 0..4),
            key in proptest::collection::vec(prop_oneof![Just(0_u8), Just(254), Just(255)], 0..6),
        ) {
            let range = KeyRange::prefix(prefix.clone());
            let inside = range.from <= key && range.until.is_none_or(|until| key < until);
            prop_assert_eq!(inside, key.starts_with(&prefix));
        }

        #[test]
        fn sequences_and_versions_sort_as_numbers(a: u64, b: u64) {
            prop_assert_eq!(journal(REALM, a).cmp(&journal(REALM, b)), a.cmp(&b));
            let id = Uuid::from_u128(1);
            prop_assert_eq!(history(REALM, id, a).cmp(&history(REALM, id, b)), a.cmp(&b));
        }
    }
}
