//! Endpoints in any letter case (L-Q5), where the operator has switched that on: the path is
//! written as the router knows it, before the router sees it.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::Uri;
use provost_scim::{Deviations, Switch};
use tower::util::MapRequest;

/// The endpoints that are no resource type's.
const FIXED: [&str; 6] = ["ServiceProviderConfig", "ServiceProviderConfigs", "ResourceTypes", "Schemas", "Bulk", "Me"];

/// The router, behind a door that reads an endpoint's name in any letter case.
pub(super) fn any_case<'a>(router: Router, base_path: &str, endpoints: impl Iterator<Item = &'a str>) -> Router {
    let types = endpoints.map(|endpoint| endpoint.trim_start_matches('/').to_owned());
    let known: Arc<[String]> = types.chain(FIXED.map(str::to_owned)).collect();
    let base_path: Arc<str> = base_path.into();
    let respell = move |mut request: Request| {
        if let Some(uri) = respelled(request.uri(), &base_path, &known) {
            *request.uri_mut() = uri;
            let deviations = Deviations::default();
            deviations.note(Switch::PathsAnyCase);
            request.extensions_mut().insert(deviations);
        }
        request
    };
    Router::new().fallback_service(MapRequest::new(router, respell))
}

/// The URI with its endpoint as it is known, if it is spelled otherwise here.
fn respelled(uri: &Uri, base_path: &str, known: &[String]) -> Option<Uri> {
    let below = uri.path().strip_prefix(base_path)?.strip_prefix('/')?;
    let (given, rest) = below.split_at(below.find('/').unwrap_or(below.len()));
    let endpoint = known.iter().find(|known| known.eq_ignore_ascii_case(given)).filter(|known| *known != given)?;
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    format!("{base_path}/{endpoint}{rest}{query}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_endpoint_is_respelled() {
        let known = ["Users".to_owned(), "Me".to_owned()];
        let respelled = |uri: &str| respelled(&uri.parse().unwrap(), "/scim/v2", &known).map(|uri| uri.to_string());

        assert_eq!(respelled("/scim/v2/users/AbC?Filter=X%20y").as_deref(), Some("/scim/v2/Users/AbC?Filter=X%20y"));
        assert_eq!(respelled("/scim/v2/USERS/").as_deref(), Some("/scim/v2/Users/"));
        assert_eq!(respelled("/scim/v2/me").as_deref(), Some("/scim/v2/Me"));
        for known in ["/scim/v2/Users", "/scim/v2/nothing", "/SCIM/v2/users", "/users", "/scim/v2", "/scim/v2users"] {
            assert_eq!(respelled(known), None, "{known}");
        }
    }
}
