//! The OpenAPI 3.1 document: the handlers' own annotations, and what holds for all of them.

use std::collections::BTreeMap;

use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{ContentBuilder, InfoBuilder, OpenApi, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, PartialSchema, ToSchema};

use super::problem::ProblemBody;
use crate::authenticate::SESSION_COOKIE;

/// The error answers that any operation may give, for `responses(Failures)`.
pub struct Failures;

const FAILURES: [(&str, &str); 12] = [
    ("400", "The request could not be read"),
    ("401", "No valid credential was given"),
    ("402", "A plan would lift the limit"),
    (
        "403",
        "The credential lacks a permission, or is of the wrong kind or mode",
    ),
    ("404", "There is no such thing, or it is another workspace's"),
    ("409", "It conflicts with what is there"),
    ("413", "The body is too large"),
    ("415", "The body is not JSON"),
    ("422", "A field breaks a rule"),
    ("429", "A quota or a rate limit is reached"),
    ("431", "The headers are too large"),
    (
        "503",
        "Temporarily unavailable; the same request may work in a moment",
    ),
];

impl IntoResponses for Failures {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let refer = |status: &str| RefOr::Ref(Ref::from_response_name(response_name(status)));
        FAILURES
            .into_iter()
            .map(|(status, _)| (status.to_owned(), refer(status)))
            .collect()
    }
}

/// Each answer stands in the document once, however many operations may give it.
fn response_name(status: &str) -> String {
    format!("Problem{status}")
}

fn problem(description: &str) -> RefOr<Response> {
    let schema = RefOr::Ref(Ref::from_schema_name(ProblemBody::name()));
    let content = ContentBuilder::new().schema(Some(schema)).build();
    ResponseBuilder::new()
        .description(description)
        .content("application/problem+json", content)
        .build()
        .into()
}

/// Completes the document that the routers collected.
pub fn describe(mut document: OpenApi, version: &str) -> OpenApi {
    document.info = InfoBuilder::new()
        .title("Plinth")
        .version(version)
        .description(Some("The backend a software product stands on."))
        .build();
    document.servers = None;
    let components = document.components.get_or_insert_default();
    components
        .schemas
        .insert(ProblemBody::name().into_owned(), ProblemBody::schema());
    let mut schemas = Vec::new();
    ProblemBody::schemas(&mut schemas);
    components.schemas.extend(schemas);
    let answers = FAILURES
        .into_iter()
        .map(|(status, text)| (response_name(status), problem(text)));
    components.responses.extend(answers);
    components.security_schemes.insert(
        "api_key".to_owned(),
        RefOr::T(SecurityScheme::Http(
            HttpBuilder::new()
                .scheme(HttpAuthScheme::Bearer)
                .description(Some(
                    "A secret key, sk_live_… or sk_test_…, from your server; never in a browser.",
                ))
                .build(),
        )),
    );
    components.security_schemes.insert(
        "session".to_owned(),
        RefOr::T(SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new(
            SESSION_COOKIE,
        )))),
    );
    let none: [&str; 0] = [];
    document.security = Some(vec![
        SecurityRequirement::new("api_key", none),
        SecurityRequirement::new("session", none),
    ]);
    document
}
