//! The description of the admin API: an OpenAPI 3.1 document, for people, and for what makes clients.
//!
//! It is made of the routes, so that none is left out. Here is only what they have in common: who may call, what the
//! groups of operations are about, and what every operation may answer instead of what was asked for.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use utoipa::IntoResponses;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::schema::Type;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, InfoBuilder, LicenseBuilder, ObjectBuilder, OpenApi, OpenApiBuilder, Ref, RefOr,
    Response, ResponseBuilder,
};

use crate::admin::answer::Problem;

/// The name of the one way to say who is asking.
const TOKEN: &str = "token";

const DESCRIPTION: &str = "What operators ask of a running server: tokens, plugins, the outbox and its dead letters, the \
    journal, jobs, the last requests, health. The commands of `provost` go this way, too.\n\nIt listens on its own \
    address, `admin.listen`, by default on any free port of 127.0.0.1; the file `admin.address` in the data directory \
    names it. Each answer that is an error is a `Problem`.";

const ABOUT_TOKEN: &str = "A bearer token with the scope `admin`: the one in `admin.token` in the data directory, or one \
    that `provost token create NAME --scope admin` makes. Where an answer tells of attribute values, it does so only for \
    a token that has the scope `admin.values`, too.";

const TAGS: [(&str, &str); 9] = [
    ("tokens", "Who may use the server, and for what."),
    ("plugins", "Which rules there are, what they may do, and how they are doing."),
    ("outbox", "What waits to be delivered, and the dead letters among it."),
    ("journal", "What was committed."),
    ("jobs", "What plugins do on a clock."),
    ("requests", "What plugins did in the last requests."),
    ("guard", "The guard against mass deletion and mass deactivation."),
    ("indexes", "What is found without a scan."),
    ("server", "How the server is, and this description."),
];

/// The document as text. It is the same for every server of this version and tells nothing about an organisation.
pub fn document() -> &'static str {
    static DOCUMENT: LazyLock<String> = LazyLock::new(|| {
        let (_, described) = super::routes().split_for_parts();
        let mut text = described.to_pretty_json().expect("a description is plain data");
        text.push('\n');
        text
    });
    &DOCUMENT
}

/// The document without operations.
pub(super) fn frame() -> OpenApi {
    let token = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(ABOUT_TOKEN)).build();
    let tag = |(name, about): (&str, &str)| TagBuilder::new().name(name).description(Some(about)).build();
    OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("Provost admin API")
                .version(env!("CARGO_PKG_VERSION"))
                .description(Some(DESCRIPTION))
                .license(Some(LicenseBuilder::new().name("Apache License 2.0").identifier(Some("Apache-2.0")).build()))
                .build(),
        )
        .components(Some(
            ComponentsBuilder::new()
                .schema_from::<Problem>()
                .security_scheme(TOKEN, SecurityScheme::Http(token))
                .build(),
        ))
        .security(Some([SecurityRequirement::new(TOKEN, ["admin"])]))
        .tags(Some(TAGS.map(tag)))
        .build()
}

/// What every operation that needs a token may answer instead of what was asked for.
pub(super) struct Refusals;

impl IntoResponses for Refusals {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let problem = |about: &str| {
            let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
            ResponseBuilder::new().description(about).content("application/json", content)
        };
        let text = ObjectBuilder::new().schema_type(Type::String);
        let challenge = HeaderBuilder::new().schema(Some(text)).description(Some("Asks for a bearer token.")).build();
        let unknown = problem("There is no token, or it is not known, or not any more.");
        let all = [
            ("401", unknown.header("WWW-Authenticate", challenge)),
            ("403", problem("The token lacks the scope `admin`.")),
            ("500", problem("The server could not do it; its log says why.")),
        ];
        all.map(|(status, response)| (status.to_owned(), response.build().into())).into()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use serde_json::{Value, json};

    use super::*;
    use crate::admin::desk::{ROWS_DEFAULT, ROWS_MAX};
    use crate::limits::{GUARD_LIFT_MINUTES_MAX, TOKEN_CLAIM_BYTES_MAX, TOKEN_CLAIMS_MAX};

    fn described() -> Value {
        serde_json::from_str(document()).unwrap()
    }

    /// Each operation with its method and path.
    fn operations(document: &Value) -> Vec<(String, &Value)> {
        let paths = document["paths"].as_object().unwrap().iter();
        let each = |(path, item): (&String, &'_ Value)| (path.clone(), item.as_object().unwrap().clone());
        let named = paths.map(each).flat_map(|(path, item)| {
            item.into_iter().map(move |(method, _)| (method, path.clone())).collect::<Vec<_>>()
        });
        named.map(|(method, path)| (format!("{method} {path}"), &document["paths"][&path][&method])).collect()
    }

    #[test]
    fn the_page_is_what_the_server_tells() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/admin-api.json");
        if std::env::var_os("PROVOST_WRITE_DOCS").is_some() {
            std::fs::write(&file, document()).unwrap();
        }
        let written = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(
            written == document(),
            "docs/admin-api.json is not what the routes say; it is made here: PROVOST_WRITE_DOCS=1 cargo test -p \
             provost --lib admin::http"
        );
    }

    #[test]
    fn the_document_is_the_description_of_this_version_and_names_its_parts_once() {
        let document = described();
        assert!(document["openapi"].as_str().unwrap().starts_with("3.1."));
        assert_eq!(document["info"]["title"], "Provost admin API");
        assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));

        let operations = operations(&document);
        let ids: BTreeSet<&str> = operations.iter().map(|(_, of)| of["operationId"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), operations.len());
        let known: BTreeSet<&str> = TAGS.iter().map(|(name, _)| *name).collect();
        let used: BTreeSet<&str> =
            operations.iter().flat_map(|(_, of)| of["tags"].as_array().unwrap()).filter_map(Value::as_str).collect();
        assert_eq!(used, known);
    }

    #[test]
    fn every_operation_says_what_it_does_what_its_parameters_mean_and_how_it_refuses() {
        let document = described();
        for (name, operation) in operations(&document) {
            let text = |of: &Value| of.as_str().is_some_and(|text| text.ends_with('.'));
            assert!(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "{name}");
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                assert!(text(&parameter["description"]), "{name}: {parameter}");
            }
            let named: BTreeSet<&str> = name.split(['{', '}']).skip(1).step_by(2).collect();
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let in_path: BTreeSet<&str> =
                parameters.filter(|of| of["in"] == "path").filter_map(|of| of["name"].as_str()).collect();
            assert_eq!(in_path, named, "{name}");
            let answers = operation["responses"].as_object().unwrap();
            assert!(answers.keys().any(|status| status.starts_with('2')), "{name}");
            for (status, answer) in answers {
                assert!(text(&answer["description"]), "{name} {status}");
                if !status.starts_with('2') {
                    let schema = &answer["content"]["application/json"]["schema"];
                    assert_eq!(*schema, json!({ "$ref": "#/components/schemas/Problem" }), "{name} {status}");
                }
            }
            let open = operation["security"] == json!([{}]);
            assert_eq!(open, name == "get /admin/openapi.json", "{name}");
            assert_eq!(!open, ["401", "403", "500"].iter().all(|status| answers.contains_key(*status)), "{name}");
        }
    }

    #[test]
    fn the_bounds_that_are_told_are_those_that_hold() {
        let document = described();
        let schemas = &document["components"]["schemas"];
        assert_eq!(schemas["GuardLift"]["properties"]["minutes"]["maximum"], GUARD_LIFT_MINUTES_MAX);
        let claims = schemas["NewToken"]["properties"]["claims"]["description"].as_str().unwrap();
        assert!(claims.contains(&format!("at most {TOKEN_CLAIMS_MAX} claims")), "{claims}");
        assert!(claims.contains(&format!("{TOKEN_CLAIM_BYTES_MAX} bytes")), "{claims}");
        for path in ["outbox", "journal", "requests"] {
            let parameters = document["paths"][format!("/admin/{path}")]["get"]["parameters"].as_array().unwrap();
            let limit = parameters.iter().find(|parameter| parameter["name"] == "limit").unwrap();
            let text = limit["description"].as_str().unwrap();
            assert!(text.contains(&format!("{ROWS_DEFAULT} if absent")), "{path}: {text}");
            assert!(text.contains(&format!("more than {ROWS_MAX}")), "{path}: {text}");
        }
    }
}
