//! What a client asks when it searches: the query string of a list, or the body of a search
//! request (RFC 7644 sections 3.4.2 and 3.4.3, RFC 9865 section 2).
//!
//! Both are read into one value, so that no rule can hold for the one and not for the other. The
//! languages in it, the filter and the attribute to sort by, are text still: what they mean depends
//! on the resource types that are asked.

use serde_json::Value;

use crate::message::SEARCH_REQUEST;
use crate::{Attributes, Invalid, Leniency, Projection};

/// What a list or a search asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Search {
    /// A filter. An empty one is none that could be meant (S-10.1).
    pub filter: Option<String>,
    /// The path of the attribute to sort by.
    pub sort_by: Option<String>,
    /// Whether from the greatest down.
    pub descending: bool,
    /// The index of the first one wanted, from 1; less counts as 1 (S-12.1).
    pub start_index: Option<i64>,
    /// At most so many; less than 0 counts as 0 (S-12.2).
    pub count: Option<i64>,
    /// The cursor of a page; empty for the first page (S-13.1).
    pub cursor: Option<String>,
    /// What is shown of each.
    pub projection: Projection,
}

impl Search {
    /// Reads the decoded parameters of a query string. The first of several equal names counts,
    /// and one without a value is as good as none, except `filter` and `cursor`.
    ///
    /// ```
    /// use provost_scim::{Projection, Search};
    ///
    /// let query = [("sortBy".to_owned(), "userName".to_owned()), ("count".to_owned(), "10".to_owned())];
    /// let search = Search::from_query(&query, Projection::Default).unwrap();
    /// assert_eq!((search.sort_by.as_deref(), search.count), (Some("userName"), Some(10)));
    /// ```
    ///
    /// # Errors
    /// `invalidValue`, when one of them is not what it must be.
    pub fn from_query(parameters: &[(String, String)], projection: Projection) -> Result<Self, Invalid> {
        let get = |name: &str| parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let filled = |name: &str| get(name).filter(|value| !value.is_empty());
        let integer = |name: &str| filled(name).map(|text| integer_text(name, text)).transpose();
        Self {
            filter: get("filter").map(str::to_owned),
            sort_by: filled("sortBy").map(str::to_owned),
            descending: descending(filled("sortOrder"))?,
            start_index: integer("startIndex")?,
            count: integer("count")?,
            cursor: get("cursor").map(str::to_owned),
            projection,
        }
        .sensible()
    }

    /// Reads the body of a search request. Names are understood in any letter case (S-2.15), what is
    /// null is absent, and members that the protocol does not know are ignored.
    ///
    /// # Errors
    /// `invalidSyntax`, when it is no search request (S-14.3); `invalidValue`, when one of its
    /// members is not what it must be.
    pub fn from_json(body: &Value, leniency: &Leniency) -> Result<Self, Invalid> {
        let body = body.as_object().ok_or_else(|| Invalid::syntax("a search request must be a JSON object"))?;
        let is_search = |urn: &Value| urn.as_str().is_some_and(|urn| urn.eq_ignore_ascii_case(SEARCH_REQUEST));
        match member(body, "schemas") {
            Some(Value::Array(urns)) if urns.iter().any(is_search) => {}
            _ => return Err(Invalid::syntax(format!("`schemas` must contain `{SEARCH_REQUEST}`"))),
        }
        let filled = |name| Ok(text(body, name)?.filter(|text| !text.is_empty()));
        Self {
            filter: text(body, "filter")?.map(str::to_owned),
            sort_by: filled("sortBy")?.map(str::to_owned),
            descending: descending(filled("sortOrder")?)?,
            start_index: integer(body, "startIndex")?,
            count: integer(body, "count")?,
            cursor: text(body, "cursor")?.map(str::to_owned),
            projection: Projection::from_json(
                member(body, "attributes"),
                member(body, "excludedAttributes"),
                leniency,
            )?,
        }
        .sensible()
    }

    /// A page begins at an index or behind a cursor, and not at both (S-13.12).
    fn sensible(self) -> Result<Self, Invalid> {
        match (&self.cursor, self.start_index) {
            (Some(_), Some(_)) => Err(Invalid::value("`cursor` and `startIndex` cannot be used together")),
            _ => Ok(self),
        }
    }
}

fn member<'a>(body: &'a Attributes, name: &str) -> Option<&'a Value> {
    body.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value).filter(|value| !value.is_null())
}

fn text<'a>(body: &'a Attributes, name: &str) -> Result<Option<&'a str>, Invalid> {
    let Some(value) = member(body, name) else { return Ok(None) };
    value.as_str().map(Some).ok_or_else(|| Invalid::value(format!("`{name}` must be a string")))
}

fn integer(body: &Attributes, name: &str) -> Result<Option<i64>, Invalid> {
    /// From here on, a number is too large for 64 bits and was read as a float.
    const BEYOND: f64 = 9.2e18;
    let Some(value) = member(body, name) else { return Ok(None) };
    let huge = || value.as_f64().filter(|number| number.abs() >= BEYOND);
    let integer = value.as_i64().or_else(|| huge().map(|number| if number > 0.0 { i64::MAX } else { i64::MIN }));
    integer.map(Some).ok_or_else(|| not_an_integer(name))
}

/// An integer of any size: what does not fit is as good as the greatest that does (S-12.3).
fn integer_text(name: &str, text: &str) -> Result<i64, Invalid> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(not_an_integer(name));
    }
    Ok(text.parse().unwrap_or(if negative { i64::MIN } else { i64::MAX }))
}

fn not_an_integer(name: &str) -> Invalid {
    Invalid::value(format!("`{name}` must be an integer"))
}

/// `sortOrder`, in any letter case; ascending if it is absent (S-11.2).
fn descending(order: Option<&str>) -> Result<bool, Invalid> {
    match order {
        None => Ok(false),
        Some(order) if order.eq_ignore_ascii_case("ascending") => Ok(false),
        Some(order) if order.eq_ignore_ascii_case("descending") => Ok(true),
        Some(_) => Err(Invalid::value("`sortOrder` must be `ascending` or `descending`")),
    }
}
