//! The switches that forgive what real identity providers send.
//!
//! Each [`Switch`] is one row of the interoperability list: a shape that some client is known to
//! send and that a strict reading refuses. What could never change the meaning of a conforming
//! request is [`Class::Safe`] and always forgiven; the rest an operator turns on or off.
//! [`Leniency::default`] is what a server should run with; [`Leniency::strict`] has everything off
//! that can be off.
//!
//! The readers ask [`Leniency::allows`] at the moment when a request needs a switch, and so it is
//! noted in the request's [`Deviations`]: which switches, never what was sent. One table below
//! makes the switches, the configuration's keys and the documentation, so that they cannot differ.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::de::{Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

/// How a switch may be turned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// Always on: it cannot change the meaning of a conforming request.
    Safe,
    /// On unless the operator turns it off.
    On,
    /// Off unless the operator turns it on.
    Off,
}

impl Class {
    /// The class as the documentation writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Safe => "always on",
            Self::On => "on",
            Self::Off => "off",
        }
    }
}

/// A switch that is always on. In a configuration, `true` says so and `false` is refused.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Always;

impl<'de> Deserialize<'de> for Always {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct True;
        impl Visitor<'_> for True {
            type Value = Always;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("true: this leniency is always on, since it cannot change what a conforming request means")
            }

            fn visit_bool<E: serde::de::Error>(self, on: bool) -> Result<Always, E> {
                if on { Ok(Always) } else { Err(E::invalid_value(Unexpected::Bool(on), &self)) }
            }
        }
        deserializer.deserialize_bool(True)
    }
}

/// What stands at a switch's key: a choice, or [`Always`].
trait Position {
    fn is_on(&self) -> bool;
    fn turn(&mut self, on: bool);
}

impl Position for bool {
    fn is_on(&self) -> bool {
        *self
    }

    fn turn(&mut self, on: bool) {
        *self = on;
    }
}

impl Position for Always {
    fn is_on(&self) -> bool {
        true
    }

    fn turn(&mut self, _: bool) {}
}

macro_rules! position_type {
    (safe) => {
        Always
    };
    (on) => {
        bool
    };
    (off) => {
        bool
    };
}

macro_rules! position {
    (safe) => {
        Always
    };
    (on) => {
        true
    };
    (off) => {
        false
    };
}

macro_rules! class {
    (safe) => {
        Class::Safe
    };
    (on) => {
        Class::On
    };
    (off) => {
        Class::Off
    };
}

macro_rules! is_counted {
    (counted) => {
        true
    };
    (uncounted) => {
        false
    };
}

/// Makes the switches, the groups of the configuration, and [`Leniency`] of one table.
macro_rules! switches {
    ($($(#[$group_doc:meta])* $group:ident: $group_type:ident {
        $($switch:ident $id:literal $key:ident: $class:ident $counted:ident $what:literal,)*
    })*) => {
        /// One row of the interoperability list.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Switch {
            $($(#[doc = concat!($id, ": ", $what)] $switch,)*)*
        }

        impl Switch {
            /// Every switch, in the list's order.
            pub const ALL: &'static [Switch] = &[$($(Self::$switch,)*)*];

            /// The row's id in the list: `L-P2`.
            pub fn id(self) -> &'static str {
                match self { $($(Self::$switch => $id,)*)* }
            }

            /// The key under `[scim.leniency]`: `patch.dotted_keys`.
            pub fn key(self) -> &'static str {
                match self { $($(Self::$switch => concat!(stringify!($group), ".", stringify!($key)),)*)* }
            }

            /// Whether it may be turned, and how it stands if nobody did.
            pub fn class(self) -> Class {
                match self { $($(Self::$switch => class!($class),)*)* }
            }

            /// Whether a request that needs it is counted. Some deviations are none by the
            /// protocol's own words, some show in the server's answers rather than in requests.
            pub fn is_counted(self) -> bool {
                match self { $($(Self::$switch => is_counted!($counted),)*)* }
            }

            /// What is forgiven, in one sentence.
            pub fn what(self) -> &'static str {
                match self { $($(Self::$switch => $what,)*)* }
            }
        }

        $(
            $(#[$group_doc])*
            #[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
            #[serde(default, deny_unknown_fields)]
            pub struct $group_type {
                $(#[doc = concat!($id, ": ", $what)] pub $key: position_type!($class),)*
            }

            impl Default for $group_type {
                fn default() -> Self {
                    Self { $($key: position!($class),)* }
                }
            }
        )*

        /// All switches, in the groups that an operator writes: `[scim.leniency.patch] dotted_keys = false`.
        #[derive(Debug, Clone, Default, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct Leniency {
            $($(#[$group_doc])* pub $group: $group_type,)*
            /// The switches that were needed so far.
            #[serde(skip)]
            pub noted: Deviations,
        }

        impl Leniency {
            /// How a switch stands.
            pub fn is_on(&self, switch: Switch) -> bool {
                match switch { $($(Switch::$switch => self.$group.$key.is_on(),)*)* }
            }

            /// Turns a switch. One that is always on stays so.
            pub fn turn(&mut self, switch: Switch, on: bool) {
                match switch { $($(Switch::$switch => self.$group.$key.turn(on),)*)* }
            }
        }
    };
}

impl Leniency {
    /// Everything off that can be off.
    pub fn strict() -> Self {
        let mut strict = Self::default();
        Switch::ALL.iter().for_each(|switch| strict.turn(*switch, false));
        strict
    }

    /// The same switches, noting what is needed in `deviations`: for the readers of one request.
    pub fn noting(&self, deviations: &Deviations) -> Self {
        Self { noted: deviations.clone(), ..self.clone() }
    }

    /// Whether a deviation is forgiven. To be asked only where a request has just made it: if the
    /// answer is yes, it is noted.
    pub fn allows(&self, switch: Switch) -> bool {
        let on = self.is_on(switch);
        if on {
            self.noted.note(switch);
        }
        on
    }
}

/// Which switches one request has needed so far. Clones share what they note.
#[derive(Debug, Clone, Default)]
pub struct Deviations(Arc<AtomicU64>);

// A set of switches is the bits of one word.
const _: () = assert!(Switch::ALL.len() <= u64::BITS as usize);

impl Deviations {
    /// Notes that a switch was needed.
    pub fn note(&self, switch: Switch) {
        self.0.fetch_or(1 << switch as u64, Ordering::Relaxed);
    }

    /// The switches that were needed, each once, in the list's order.
    pub fn switches(&self) -> Vec<Switch> {
        let noted = self.0.load(Ordering::Relaxed);
        Switch::ALL.iter().copied().filter(|switch| noted & (1 << *switch as u64) != 0).collect()
    }
}

switches! {
    /// PATCH requests.
    patch: PatchLeniency {
        PatchOpAnyCase "L-P1" op_any_case: safe counted
            "`\"op\": \"Add\"`: the operation in any letter case.",
        PatchDottedKeys "L-P2" dotted_keys: on counted
            "`{\"name.givenName\": …}` without a path: each key counts as a path.",
        PatchUrnKeys "L-P3" urn_keys: on counted
            "`{\"urn:…:User:employeeNumber\": …}` without a path: each key counts as a path.",
        PatchRemoveWithValue "L-P4" remove_with_value: on counted
            "`remove` with a `value` removes the listed elements only.",
        PatchCreateOnNoMatch "L-P5" create_on_no_match: on counted
            "`add` and `replace` at a filter that selects nothing make the element it describes.",
        PatchBoolStrings "L-P6" bool_strings: on counted
            "`\"True\"` and `\"False\"` for booleans.",
        PatchBoolInFilter "L-P7" bool_in_filter: on counted
            "`[primary eq \"True\"]` in a path.",
        PatchScalarForComplex "L-P8" scalar_for_complex: on counted
            "`\"<id>\"` for a complex attribute means its `value`.",
        PatchScalarMembers "L-P9" scalar_members: on counted
            "`\"<id>\"` or `[\"<id>\"]` for `members`.",
        PatchWrappedScalar "L-P10" wrapped_scalar: off counted
            "`[{\"value\": \"Babs\"}]` for a simple attribute.",
        PatchEqualReadonly "L-P11" equal_readonly: safe counted
            "readOnly members of a value without a path are ignored if they say what is so already.",
        PatchIgnoreReadonly "L-P12" ignore_readonly: off counted
            "readOnly members of a value without a path are ignored, even if they differ.",
        PatchExtraMembers "L-P13" extra_members: safe counted
            "members that the protocol does not know are ignored in the body and in operations.",
        PatchNullRef "L-P14" null_ref: safe uncounted
            "`{\"$ref\": null, …}`: a sub-attribute that is null is unassigned (RFC 7643 section 2.5).",
        PatchUnknownSubattrs "L-P15" unknown_subattrs: on counted
            "unknown sub-attributes are dropped.",
        PatchSingleObject "L-P17" single_object: safe counted
            "one object for a list counts as a list of one.",
        PatchEmptyPath "L-P18" empty_path: safe counted
            "`\"path\": \"\"` counts as no path.",
        PatchRemoveNoMatchOk "L-P19" remove_no_match_ok: on counted
            "`remove` at a filter that selects nothing changes nothing.",
        PatchEmptyStringClears "L-P20" empty_string_clears: off counted
            "`replace` with `\"\"` unassigns an attribute that is not required.",
        PatchEmptyOperationsOk "L-P21" empty_operations_ok: off counted
            "an empty `Operations` changes nothing.",
        PatchValuepathKeys "L-P23" valuepath_keys: on counted
            "`{\"emails[type eq \\\"work\\\"].value\": …}` without a path: each key counts as a path.",
        PatchGroup204 "L-P24" group_204: off uncounted
            "PATCH of a group is answered with 204, unless `attributes` or `Prefer` ask for the resource.",
    }

    /// Bodies of POST and PUT.
    body: BodyLeniency {
        BodyAnyCaseNames "L-B1" any_case_names: safe uncounted
            "attribute names in any letter case (RFC 7643 section 2.1).",
        BodyUnknownSchemaUrns "L-B2" unknown_schema_urns: on counted
            "URNs in `schemas` that the resource type does not declare are ignored.",
        BodyUnknownAttributes "L-B3" unknown_attributes: on counted
            "attributes that no schema knows are dropped.",
        BodyInferSchemas "L-B4" infer_schemas: off counted
            "a missing `schemas` is made up from the endpoint and the extensions present.",
        BodyBoolStrings "L-B5" bool_strings: on counted
            "`\"True\"` and `\"False\"` for booleans.",
        BodyNulls "L-B6" nulls: safe uncounted
            "null means unassigned (RFC 7643 section 2.5).",
        BodyMetaIdGroups "L-B7" meta_id_groups: safe uncounted
            "`id`, `meta`, `groups` and whatever else is readOnly are ignored (RFC 7644 section 3.3).",
        BodyDummyPassword "L-B8" dummy_password: on counted
            "a `password` is ignored where passwords cannot be set.",
        BodyContentTypeJson "L-B9" content_type_json: safe uncounted
            "`application/json`, a missing `Content-Type`, a charset.",
        BodyDuplicateTypes "L-B10" duplicate_types: safe uncounted
            "several elements of one `type` (RFC 7643 section 2.4 forbids equal pairs of type and value only).",
        BodyCountryFreeText "L-B11" country_free_text: on counted
            "an address's `country` may be any text rather than two letters.",
        BodyEnterpriseManagerString "L-B12" enterprise_manager_string: on counted
            "`\"manager\": \"<id>\"` means its `value`.",
    }

    /// Bulk requests.
    bulk: BulkLeniency {
        BulkPatchBareArray "L-B14" patch_bare_array: on counted
            "the `data` of a PATCH may be the bare operations.",
    }

    /// Filters.
    filter: FilterLeniency {
        FilterSpacing "L-F1" spacing: safe counted
            "several blanks, or none in front of a literal.",
        FilterBareWords "L-F2" bare_words: off counted
            "bare and single-quoted words are strings.",
        FilterBoolString "L-F3" bool_string: on counted
            "`active eq \"true\"`.",
        FilterImpliedValue "L-F5" implied_value: on counted
            "a complex attribute in a comparison means its `value`.",
        FilterBracketThenSub "L-F6" bracket_then_sub: on counted
            "`emails[type eq \"work\"].value eq \"x\"` means one more condition in the brackets.",
        FilterUnquotedDate "L-F7" unquoted_date: off counted
            "dateTimes without quotes.",
        FilterUnknownAttrFalse "L-F11" unknown_attr_false: off counted
            "an unknown attribute has no value, rather than making the filter wrong.",
    }

    /// Query parameters.
    query: QueryLeniency {
        QueryPlusAsSpace "L-F8" plus_as_space: safe uncounted
            "`+` is a blank, as in forms.",
        QueryTrailingSlash "L-F9" trailing_slash: safe counted
            "`/Users/?filter=…`.",
        QueryUnknownParams "L-F10" unknown_params: safe uncounted
            "unknown parameters are ignored (RFC 7644 section 3.4.2).",
    }

    /// Lists.
    list: ListLeniency {
        ListAlwaysResources "L-Q1" always_resources: safe uncounted
            "`Resources` and all counters are always there, the counters as numbers.",
        ListEmpty200 "L-Q2" empty_200: safe uncounted
            "a lookup that finds nothing is answered with 200 and an empty list.",
        ListHideMembers "L-Q7" hide_members: off uncounted
            "lists omit `members` unless `attributes` asks for them.",
    }

    /// Search requests.
    search: SearchLeniency {
        SearchAttributesString "L-Q3" attributes_string: on counted
            "`\"attributes\": \"a,b\"` in a search request.",
    }

    /// `attributes` and `excludedAttributes`.
    projection: ProjectionLeniency {
        ProjectionValuepath "L-Q4" valuepath: on counted
            "`attributes=emails[type eq \"work\"]` means `emails`.",
    }

    /// Endpoints.
    paths: PathsLeniency {
        PathsAnyCase "L-Q5" any_case: off counted
            "`/users` and `/groups`: endpoints in any letter case.",
    }

    /// Discovery.
    discovery: DiscoveryLeniency {
        DiscoverySpcPlural "L-Q6" spc_plural: on counted
            "`/ServiceProviderConfigs`, as SCIM 1.1 called it.",
    }

    /// Entity tags.
    etag: EtagLeniency {
        EtagUnquoted "L-Q8" unquoted: on counted
            "entity tags without quotes.",
    }
}
