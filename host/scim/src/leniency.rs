//! The switches that forgive what real identity providers send.
//!
//! Each switch is one row of the interoperability list: a shape that some client is known to send
//! and that a strict reading refuses. [`Leniency::default`] is what a server should run with;
//! [`Leniency::strict`] has every switch off. What could never change the meaning of a conforming
//! request is always forgiven and has no switch.

use serde::{Deserialize, Serialize};

/// One group of switches: its fields, and which of them are on by default.
macro_rules! switches {
    ($(#[$group:meta])* $name:ident { $($(#[$doc:meta])* $field:ident: $default:literal,)* }) => {
        $(#[$group])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $name {
            $($(#[$doc])* pub $field: bool,)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        impl $name {
            /// Every switch off.
            pub fn strict() -> Self {
                Self { $($field: false,)* }
            }
        }
    };
}

/// All switches, in the groups that an operator writes: `leniency.patch.dotted_keys = false`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Leniency {
    /// PATCH requests.
    pub patch: PatchLeniency,
    /// Bodies of POST and PUT.
    pub body: BodyLeniency,
    /// Bulk requests.
    pub bulk: BulkLeniency,
    /// Filters.
    pub filter: FilterLeniency,
    /// Query parameters and search requests.
    pub query: QueryLeniency,
}

impl Leniency {
    /// Every switch off.
    pub fn strict() -> Self {
        Self {
            patch: PatchLeniency::strict(),
            body: BodyLeniency::strict(),
            bulk: BulkLeniency::strict(),
            filter: FilterLeniency::strict(),
            query: QueryLeniency::strict(),
        }
    }
}

switches! {
    /// PATCH requests.
    PatchLeniency {
        /// L-P2: `{"name.givenName": …}` without a path; each key counts as a path.
        dotted_keys: true,
        /// L-P3: `{"urn:…:User:employeeNumber": …}` without a path; each key counts as a path.
        urn_keys: true,
        /// L-P4: `remove` with a `value` removes the listed elements only.
        remove_with_value: true,
        /// L-P5: `add` and `replace` at a filter that selects nothing make the element it describes.
        create_on_no_match: true,
        /// L-P6: `"True"` and `"False"` for booleans.
        bool_strings: true,
        /// L-P7: `[primary eq "True"]`.
        bool_in_filter: true,
        /// L-P8: `"<id>"` for a complex attribute means its `value`.
        scalar_for_complex: true,
        /// L-P9: `"<id>"` or `["<id>"]` for `members`.
        scalar_members: true,
        /// L-P10: `[{"value": "Babs"}]` for a simple attribute.
        wrapped_scalar: false,
        /// L-P12: readOnly members of a value without a path are ignored, even if they differ.
        ignore_readonly: false,
        /// L-P15: unknown sub-attributes are dropped.
        unknown_subattrs: true,
        /// L-P19: `remove` at a filter that selects nothing changes nothing.
        remove_no_match_ok: true,
        /// L-P20: `""` unassigns an attribute that is not required.
        empty_string_clears: false,
        /// L-P21: an empty `Operations` changes nothing.
        empty_operations_ok: false,
        /// L-P23: `{"emails[type eq \"work\"].value": …}` without a path; each key counts as a path.
        valuepath_keys: true,
        /// L-P24: PATCH of a group is answered with 204.
        group_204: false,
    }
}

switches! {
    /// Bodies of POST and PUT.
    BodyLeniency {
        /// L-B2: URNs in `schemas` that the resource type does not declare are ignored.
        unknown_schema_urns: true,
        /// L-B3: attributes that no schema knows are dropped.
        unknown_attributes: true,
        /// L-B4: a missing `schemas` is made up from the endpoint and the extensions present.
        infer_schemas: false,
        /// L-B5: `"True"` and `"False"` for booleans.
        bool_strings: true,
        /// L-B8: a `password` is ignored where passwords cannot be set, rather than refused.
        dummy_password: true,
        /// L-B11: an address's `country` may be any text.
        country_free_text: true,
        /// L-B12: `"manager": "<id>"` means its `value`.
        enterprise_manager_string: true,
    }
}

switches! {
    /// Bulk requests.
    BulkLeniency {
        /// L-B14: the `data` of a PATCH may be the bare operations.
        patch_bare_array: true,
    }
}

switches! {
    /// Filters.
    FilterLeniency {
        /// L-F2: bare and single-quoted words are strings.
        bare_words: false,
        /// L-F3: `active eq "true"`.
        bool_string: true,
        /// L-F5: a complex attribute in a comparison means its `value`.
        implied_value: true,
        /// L-F6: `emails[type eq "work"].value eq "x"`.
        bracket_then_sub: true,
        /// L-F7: dateTimes without quotes.
        unquoted_date: false,
        /// L-F11: an unknown attribute has no value, rather than making the filter wrong.
        unknown_attr_false: false,
    }
}

switches! {
    /// Query parameters and search requests.
    QueryLeniency {
        /// L-Q3: `"attributes": "a,b"` in a search request.
        attributes_string: true,
        /// L-Q4: `attributes=emails[type eq "work"]` means `emails`.
        valuepath: true,
        /// L-Q5: `/users` and `/groups`.
        any_case: false,
        /// L-Q6: `/ServiceProviderConfigs`.
        spc_plural: true,
        /// L-Q7: lists omit `members` unless they are asked for.
        hide_members: false,
        /// L-Q8: entity tags without quotes.
        unquoted: true,
    }
}
