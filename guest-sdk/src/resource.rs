//! Resources as types. What a type does not know it keeps, so that writing it back loses nothing.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::{Attributes, Failure, document};

/// The URN of the enterprise extension (RFC 7643 section 4.3).
pub const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// A resource of any type: its attributes as they came.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Resource(pub Attributes);

impl Resource {
    /// The resource's `id`; absent on a create.
    pub fn id(&self) -> Option<&str> {
        self.text("id")
    }

    /// Whether somebody may use the account: who is not said to be inactive is active.
    pub fn is_active(&self) -> bool {
        self.get("active") != Some(&Value::Bool(false))
    }

    /// The `id` of a person's manager, from the enterprise extension.
    pub fn manager(&self) -> Option<&str> {
        self.text(&format!("{ENTERPRISE}:manager.value"))
    }

    /// A number that is another one as soon as anything about the resource is another: to remember what was last sent
    /// without keeping it. It is never 0, the same in every build, and does not look at the attributes' order.
    ///
    /// ```
    /// # use provost_sdk::{Resource, json};
    /// let read = |value| serde_json::from_value::<Resource>(value);
    /// let (ana, anna) = (read(json!({ "userName": "ana" }))?, read(json!({ "userName": "anna" }))?);
    /// assert_ne!(ana.digest(), anna.digest());
    /// # Ok::<(), provost_sdk::Failure>(())
    /// ```
    pub fn digest(&self) -> u64 {
        let mut sorted = self.0.clone();
        sorted.sort_keys();
        sorted.values_mut().for_each(Value::sort_all_objects);
        // FNV-1a, 64 bits.
        let text = Value::Object(sorted).to_string();
        let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        hash.max(1)
    }

    /// The value at `path`: `userName`, `name.givenName`, or an extension's attribute behind its
    /// URN and a colon, or the URN alone for all of them. Letter case of names does not matter. A
    /// path does not look into lists; see [`Resource::values`].
    pub fn get(&self, path: &str) -> Option<&Value> {
        if let Some(whole) = member(&self.0, path) {
            return Some(whole);
        }
        let (attributes, path) = self.container(path);
        let mut names = path.split('.');
        let first = member(attributes, names.next()?)?;
        names.try_fold(first, |value, name| member(value.as_object()?, name))
    }

    /// The text at `path`.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.get(path)?.as_str()
    }

    /// Every value at `path`, with lists looked into: `emails.value`.
    pub fn values(&self, path: &str) -> Vec<&Value> {
        let (attributes, path) = self.container(path);
        let mut names = path.split('.');
        let mut found: Vec<&Value> = names.next().and_then(|name| member(attributes, name)).into_iter().collect();
        for name in names {
            found = found.into_iter().flat_map(each).filter_map(|value| member(value.as_object()?, name)).collect();
        }
        found.into_iter().flat_map(each).collect()
    }

    /// Makes `value` the value at `path`, and what lies between if it is not there yet. A path
    /// into a list or into a plain value changes nothing.
    pub fn set(&mut self, path: &str, value: impl Into<Value>) {
        let (mut attributes, path) = self.container_mut(path);
        let (parents, last) = path.rsplit_once('.').map_or((None, path), |(parents, last)| (Some(parents), last));
        for name in parents.into_iter().flat_map(|parents| parents.split('.')) {
            let key = spelling(attributes, name);
            let Value::Object(inner) = attributes.entry(key).or_insert_with(|| Value::Object(Attributes::new())) else {
                return;
            };
            attributes = inner;
        }
        attributes.insert(spelling(attributes, last), value.into());
    }

    /// Takes away what is at `path`, with lists looked into. The URN of an extension stands for all that it holds.
    pub fn remove(&mut self, path: &str) {
        // A URN may have dots, and is a name all the same.
        if take(&mut self.0, path) {
            return;
        }
        let (attributes, path) = self.container_mut(path);
        let Some((parents, last)) = path.rsplit_once('.') else {
            take(attributes, path);
            return;
        };
        for value in reach_mut(attributes, parents) {
            if let Value::Object(object) = value {
                take(object, last);
            }
        }
    }

    /// Takes away what is at each of these paths. Where one is an extension's URN, the extension goes, and its name in
    /// `schemas` with it.
    pub fn leave_out<'a>(&mut self, paths: impl IntoIterator<Item = &'a str>) {
        for path in paths {
            self.remove(path);
            if let Some(Value::Array(schemas)) = self.0.get_mut("schemas") {
                schemas.retain(|schema| schema.as_str().is_none_or(|schema| !schema.eq_ignore_ascii_case(path)));
            }
        }
    }

    /// Hands every text at `path`, with lists looked into, to `change` and keeps what it makes of it.
    ///
    /// ```
    /// # use provost_sdk::{Resource, json};
    /// let mut user: Resource = serde_json::from_value(json!({ "emails": [{ "value": "Ana@Example.com" }] }))?;
    /// user.map_text("emails.value", |email| email.to_lowercase());
    /// assert_eq!(user.values("emails.value"), ["ana@example.com"]);
    /// # Ok::<(), provost_sdk::Failure>(())
    /// ```
    pub fn map_text(&mut self, path: &str, change: impl Fn(&str) -> String) {
        let (attributes, path) = self.container_mut(path);
        for value in reach_mut(attributes, path) {
            if let Value::String(text) = value {
                *text = change(text);
            }
        }
    }

    /// The resource as `T`: [`User`], [`Group`], or a type of your own.
    pub fn to<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        document::read(&Value::Object(self.0.clone()))
            .map_err(|finding| Failure::new(format!("`{}` of the resource {}", finding.path, finding.message)))
    }

    /// Where a path begins: in an extension, if it opens with the URN of one that is present.
    fn container<'a, 'p>(&'a self, path: &'p str) -> (&'a Attributes, &'p str) {
        let extension =
            self.extension(path).and_then(|urn| Some((self.0.get(urn)?.as_object()?, &path[urn.len() + 1..])));
        extension.unwrap_or((&self.0, path))
    }

    fn container_mut<'a, 'p>(&'a mut self, path: &'p str) -> (&'a mut Attributes, &'p str) {
        match self.extension(path).map(str::to_owned) {
            Some(urn) if self.0.get(&urn).is_some_and(Value::is_object) => match self.0.get_mut(&urn) {
                Some(Value::Object(attributes)) => (attributes, &path[urn.len() + 1..]),
                _ => unreachable!("the extension was an object a moment ago"),
            },
            _ => (&mut self.0, path),
        }
    }

    fn extension(&self, path: &str) -> Option<&str> {
        let mut keys = self.0.keys().filter(|key| key.contains(':'));
        keys.find(|urn| {
            path.get(..urn.len()).is_some_and(|head| head.eq_ignore_ascii_case(urn))
                && path[urn.len()..].starts_with(':')
        })
        .map(String::as_str)
    }
}

/// Every value at `path`, with lists looked into.
fn reach_mut<'a>(attributes: &'a mut Attributes, path: &str) -> Vec<&'a mut Value> {
    let mut names = path.split('.');
    let mut found: Vec<&mut Value> = names.next().and_then(|name| member_mut(attributes, name)).into_iter().collect();
    for name in names {
        let inner = found.into_iter().flat_map(each_mut);
        found = inner.filter_map(|value| member_mut(value.as_object_mut()?, name)).collect();
    }
    found.into_iter().flat_map(each_mut).collect()
}

/// The attribute's name as the object spells it, or as it was asked for.
fn spelling(object: &Attributes, name: &str) -> String {
    object.keys().find(|key| key.eq_ignore_ascii_case(name)).map_or(name, String::as_str).to_owned()
}

/// Takes the attribute away; the others stay in their order. Says whether it was there.
fn take(object: &mut Attributes, name: &str) -> bool {
    let before = object.len();
    object.retain(|key, _| !key.eq_ignore_ascii_case(name));
    object.len() < before
}

fn member<'a>(object: &'a Attributes, name: &str) -> Option<&'a Value> {
    object.get(&spelling(object, name))
}

fn member_mut<'a>(object: &'a mut Attributes, name: &str) -> Option<&'a mut Value> {
    object.get_mut(&spelling(object, name))
}

fn each(value: &Value) -> &[Value] {
    match value {
        Value::Array(values) => values,
        value => std::slice::from_ref(value),
    }
}

fn each_mut(value: &mut Value) -> &mut [Value] {
    match value {
        Value::Array(values) => values,
        value => std::slice::from_mut(value),
    }
}

/// A person or service (RFC 7643 section 4.1), with the enterprise extension.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct User {
    /// The schemas in use.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    pub schemas: Vec<String>,
    /// The server's own name for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The client's own name for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// What the user signs in with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_name: Option<String>,
    /// The parts of the name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
    /// The name as shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// What friends say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nick_name: Option<String>,
    /// Where the profile is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile_url: Option<String>,
    /// The position.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What kind of user: employee, contractor, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_type: Option<String>,
    /// The language of written words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preferred_language: Option<String>,
    /// The way of dates and numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// The time zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// Whether the account may be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active: Option<bool>,
    /// E-mail addresses.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    pub emails: Vec<Labelled>,
    /// Telephone numbers.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    pub phone_numbers: Vec<Labelled>,
    /// Instant messaging addresses.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    pub ims: Vec<Labelled>,
    /// Links to pictures.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    pub photos: Vec<Labelled>,
    /// Postal addresses.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    pub addresses: Vec<Address>,
    /// The groups it belongs to; only the server writes them.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    pub groups: Vec<Labelled>,
    /// What it is entitled to.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    pub entitlements: Vec<Labelled>,
    /// Its roles.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    pub roles: Vec<Labelled>,
    /// Its certificates.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable", rename = "x509Certificates")]
    pub x509_certificates: Vec<Labelled>,
    /// The enterprise extension (RFC 7643 section 4.3).
    #[serde(
        skip_serializing_if = "Option::is_none",
        rename = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
    )]
    pub enterprise: Option<Enterprise>,
    /// What the server knows about the resource.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub meta: Option<Meta>,
    /// Everything else, other extensions included.
    #[serde(flatten)]
    pub other: Attributes,
}

impl User {
    /// The primary e-mail address, or the first one if none is marked.
    pub fn primary_email(&self) -> Option<&str> {
        let primary = self.emails.iter().find(|email| email.primary == Some(true));
        primary.or(self.emails.first())?.value.as_deref()
    }
}

/// A group (RFC 7643 section 4.2). Hooks see it without its members; how those change is in
/// [`crate::Change::membership`], and [`crate::directory::members`] lists them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Group {
    /// The schemas in use.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    pub schemas: Vec<String>,
    /// The server's own name for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The client's own name for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// The name as shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// What the server knows about the resource.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub meta: Option<Meta>,
    /// Everything else, extensions included.
    #[serde(flatten)]
    pub other: Attributes,
}

/// The parts of a name.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Name {
    /// The whole, as written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub formatted: Option<String>,
    /// The family's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family_name: Option<String>,
    /// The person's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub given_name: Option<String>,
    /// Those between.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub middle_name: Option<String>,
    /// Before the name: Dr.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub honorific_prefix: Option<String>,
    /// Behind the name: III.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub honorific_suffix: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Attributes,
}

/// One value of a list whose values carry a label: an e-mail address, a telephone number, a role.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Labelled {
    /// The value itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display: Option<String>,
    /// The label: `work`, `home`, …
    #[serde(skip_serializing_if = "Option::is_none", rename = "type")]
    pub kind: Option<String>,
    /// Whether it is the preferred one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub primary: Option<bool>,
    /// The address of the resource that is meant.
    #[serde(skip_serializing_if = "Option::is_none", rename = "$ref")]
    pub reference: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Attributes,
}

/// A postal address.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Address {
    /// The whole, as written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub formatted: Option<String>,
    /// Street and number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub street_address: Option<String>,
    /// The city.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locality: Option<String>,
    /// The state or province.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The postal code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postal_code: Option<String>,
    /// The country, ISO 3166-1 alpha-2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// The label: `work`, `home`, …
    #[serde(skip_serializing_if = "Option::is_none", rename = "type")]
    pub kind: Option<String>,
    /// Whether it is the preferred one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub primary: Option<bool>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Attributes,
}

/// The enterprise extension of a user.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Enterprise {
    /// The number the organisation gave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub employee_number: Option<String>,
    /// The cost centre.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_center: Option<String>,
    /// The organisation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    /// The division.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub division: Option<String>,
    /// The department.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub department: Option<String>,
    /// Who leads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manager: Option<Manager>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Attributes,
}

/// The user's manager.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Manager {
    /// The manager's `id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The manager's address.
    #[serde(skip_serializing_if = "Option::is_none", rename = "$ref")]
    pub reference: Option<String>,
    /// The manager's name, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Attributes,
}

/// What the server knows about a resource. Plugins read it and never write it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Meta {
    /// The resource type's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_type: Option<String>,
    /// When it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// When it last changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_modified: Option<String>,
    /// Where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// The state's ETag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Attributes,
}

/// In SCIM, null is the same as absent (RFC 7643 section 2.5).
fn nullable<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
